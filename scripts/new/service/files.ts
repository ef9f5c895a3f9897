// A project as texts by their paths. Nothing here touches the disk, but for the reading of it.
import { execFileSync } from 'node:child_process'
import { lstatSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { parseSync } from 'oxc-parser'
import { project } from '../../tool.ts'

/** The texts of a project by their paths. */
export type Files = ReadonlyMap<string, string>

/** The files of this project that git tracks. All of them are texts. */
export function ownFiles(): Files {
  const listed = execFileSync('git', ['ls-files', '-z'], { cwd: project, encoding: 'utf8' })
  const paths = listed.split('\0').filter((path) => path !== '')
  return new Map(paths.map((path) => [path, readFileSync(join(project, path), 'utf8')]))
}

/** The files of this project that may be run. */
export function isExecutable(path: string): boolean {
  return (lstatSync(join(project, path)).mode & 0o100) !== 0
}

const importsByText = new Map<string, string[]>()

/** The files of the project that a TypeScript file imports, or names as a file beside it. */
export function importsIn(path: string, text: string): string[] {
  const known = importsByText.get(path + text)
  if (known !== undefined) return known
  const { module } = parseSync(path, text)
  const statics = [
    ...module.staticImports,
    ...module.staticExports.flatMap(({ entries }) => entries),
  ].flatMap(({ moduleRequest }) => moduleRequest?.value ?? [])
  const dynamics = module.dynamicImports.map(({ moduleRequest: { start, end } }) =>
    text.slice(start + 1, end - 1),
  )
  const urls = [...text.matchAll(/new URL\(\s*'(\.[^']+)'/g)].map(([, url = '']) => url)
  const besides = [...text.matchAll(/import\.meta\.dirname,\s*'([^']+\.(?:ts|mjs))'/g)]
  const programs = besides.map(([, name = '']) => `./${name}`)
  const found = [...statics, ...dynamics, ...urls, ...programs].flatMap((specifier) => {
    if (specifier.startsWith('#/')) return `src/${specifier.slice(2)}`
    return specifier.startsWith('.') ? normalize(join(dirname(path), specifier)) : []
  })
  importsByText.set(path + text, found)
  return found
}
