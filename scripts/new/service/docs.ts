// The pages that a new project gets.
import { dirname, join, normalize } from 'node:path'
import type { Files } from './files.ts'

/** Pages about what is left out, or whose outputs are those of this project. */
const leftOut =
  /^docs\/(?:README|api|client-package|example|getting-started|orders|performance|rest|scaling|testing|use|watch)\.md$/

/** Programs that are left out: what is said of them, and measured by them, is about this project. */
const ownPrograms =
  /npm run (?:bench|verify|soak|interop|conformance|example|seed|chart:cluster)|group_writes|coalesce_reads/

/** What a page says of a noun that is left out, of a method that no other noun has, or to read in a page that is left out. */
const ofOthers =
  /\borders\b|\ban order\b|\/v1\/[\w-]+:(?:watch|import|export)|idempotency-key|\[(?:performance|rest|scaling|testing|watch)\.md\]/

/** The files without pages and sections that are left out, and without links to what is not there. */
export function withPages(files: Files): Files {
  const kept = new Map([...files].filter(([path]) => !leftOut.test(path)))
  const pages = [...kept].filter(([path]) => /^(?:docs\/.*|CONTRIBUTING|SECURITY)\.md$/.test(path))
  for (const [path, text] of pages) kept.set(path, withoutMissing(general(text), kept))
  for (const [path] of pages) kept.set(path, linked(path, kept))
  return kept
}

/** A page without its sections about programs that are left out. */
function general(text: string): string {
  const [first = '', ...sections] = text.split(/^(?=###? )/m)
  const head = paragraphs(first).filter((paragraph) => !ownPrograms.test(paragraph))
  return `${[head, ...sections.map(untilOwn)].flat().join('\n\n').trimEnd()}\n`
}

/** A section up to where it comes to such a program: what follows is about its results. */
function untilOwn(section: string): string[] {
  const all = paragraphs(section)
  const own = all.findIndex((paragraph) => ownPrograms.test(paragraph))
  if (own === -1) return all
  return own < 2 ? [] : all.slice(0, own)
}

/** Texts between empty lines, without blocks of code about what is left out. */
function paragraphs(text: string): string[] {
  return text.split(/(^```[^]*?^```$)/m).flatMap((part) => {
    if (part.startsWith('```')) return ofOthers.test(part) ? [] : [part]
    return part.split(/\n{2,}/).flatMap((words) => words.trimEnd() || [])
  })
}

const named = /(?<![\w/.-])(?:src|test|scripts|bench|examples|proto|configs|deploy)\/[\w./-]*\w/g

/** A page without the sentences, rows and lines that name files that there are not. */
function withoutMissing(text: string, files: Files): string {
  const paths = [...files.keys()]
  const isThere = (path: string) =>
    path.startsWith('src/gen') || paths.some((known) => `${known}/`.startsWith(`${path}/`))
  const isWhole = (part: string) =>
    !ofOthers.test(part) && [...part.matchAll(named)].every(([path]) => isThere(path))
  const lines = text.split('\n').flatMap((line) => {
    if (isWhole(line)) return line
    const left = /^[|`#]/.test(line) ? '' : wholeSentences(line, isWhole)
    return left === '' ? [] : left
  })
  return lines.join('\n').replaceAll(/\n{3,}/g, '\n\n')
}

/** The sentences of a line that are whole. One whose part after a colon is not goes with it. */
function wholeSentences(line: string, isWhole: (part: string) => boolean): string {
  const parts = line.split(/(?<=[.:]) /)
  const leadsOn = (part: string, next: string | undefined) =>
    part.endsWith(':') && next !== undefined && !isWhole(next)
  return parts.filter((part, at) => isWhole(part) && !leadsOn(part, parts[at + 1])).join(' ')
}

/** A page whose links lead to files and headings that there are: of others, their text is left. */
function linked(page: string, files: Files): string {
  const paths = [...files.keys()]
  const text = files.get(page) ?? ''
  return text.replace(
    /!?\[([^\]]*)\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)/g,
    (link, words: string, to: string, anchor: string | undefined) => {
      const target = to === '' ? page : normalize(join(dirname(page), to))
      const isThere =
        target === 'README.md' || paths.some((path) => `${path}/`.startsWith(`${target}/`))
      const isOver = anchor !== undefined && !anchors(files.get(target) ?? '').includes(anchor)
      if (isThere && !isOver) return link
      return link.startsWith('!') ? '' : words
    },
  )
}

/** The anchors of the headings of a page, as forges make them. */
function anchors(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .replaceAll(' ', '-'),
  )
}
