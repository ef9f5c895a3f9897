import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'tap'

import { ErrorReasonSchema } from '../src/gen/api/errors/v1/error_reason_pb.ts'
import { ErrorReasonSchema as OrderReasonSchema } from '../src/gen/api/order/v1/error_reason_pb.ts'

const project = join(import.meta.dirname, '..')
const read = (page: string) => readFileSync(join(project, page), 'utf8')
const pages = [
  ...globSync('*.md', { cwd: project }),
  ...globSync('{.github,deploy,docs,examples}/**/*.md', { cwd: project }),
]

/** The anchors of a page's headings, as GitHub makes them. */
function anchors(page: string): string[] {
  return [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .replaceAll(' ', '-'),
  )
}

test('each file of the project that a page names exists', async (t) => {
  for (const page of pages) {
    const named = read(page).matchAll(
      /(?<![\w/.-])(?:src|test|scripts|bench|examples|proto|configs|deploy)\/[\w./-]*\w/g,
    )
    const missing = [...named]
      .map(([path]) => path)
      .filter((path) => !existsSync(join(project, path)))
    t.same(missing, [], page)
  }
})

test('each link of a page leads to a file, and to a heading of it', async (t) => {
  for (const page of pages) {
    const links = [...read(page).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)]
    const broken = links.filter(([, path = '', anchor]) => {
      const target = path === '' ? page : join(dirname(page), path)
      if (!existsSync(join(project, target))) return true
      return anchor !== undefined && !anchors(target).includes(anchor)
    })
    t.same(
      broken.map(([link]) => link),
      [],
      page,
    )
  }
})

test('each script of npm and each variable that a page names exists', async (t) => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  const config = read('configs/config.yaml')
  for (const page of pages) {
    const text = read(page)
    const named = [...text.matchAll(/npm run (?:-s )?([a-z][\w:-]*)/g)].map(([, name = '']) => name)
    t.same(new Set(named.filter((name) => !(name in scripts))), new Set(), page)
    const starts = text.matchAll(/^((?:[A-Z_]+=\S* )+)npm start/gm)
    const given = [...starts].flatMap(([, all = '']) => all.match(/[A-Z_]+(?==)/g) ?? [])
    t.same(new Set(given.filter((name) => !config.includes(`\${${name}`))), new Set(), page)
  }
})

test('a supervisor is told to start what `npm start` starts', async (t) => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: { start: string } }
  const told = pages.flatMap((page) =>
    [...read(page).matchAll(/node_modules\/\.bin\/(node [^`]*src\/[^`]*)`/g)].map(([, start]) => ({
      page,
      start,
    })),
  )
  t.strictSame(told, [
    { page: 'README.md', start: scripts.start },
    { page: 'docs/operations.md', start: scripts.start },
  ])
})

test('the start page of docs/ names each page of it', async (t) => {
  const start = read('docs/README.md')
  const left = globSync('docs/*.md', { cwd: project })
    .map((page) => page.slice('docs/'.length))
    .filter((page) => page !== 'README.md' && start.split(`(${page})`).length !== 2)
  t.same(left, [], 'pages that are not there exactly once')
})

test('each reason of an error has a row in docs/errors.md', async (t) => {
  const page = read('docs/errors.md')
  for (const { name, number } of [...ErrorReasonSchema.values, ...OrderReasonSchema.values]) {
    if (number !== 0) t.match(page, new RegExp(`^\\| \`${name}\` \\|`, 'm'), name)
  }
})

test('each decision has at most 40 lines, and a row in the list of decisions', async (t) => {
  const list = read('docs/adr/README.md')
  for (const page of globSync('docs/adr/0*.md', { cwd: project })) {
    const [, title = ''] = /^# \d+\. (.*)$/m.exec(read(page)) ?? []
    t.ok(list.includes(`(${page.slice('docs/adr/'.length)}) | ${title} |`), page)
    t.ok(read(page).trim().split('\n').length <= 40, page)
  }
})
