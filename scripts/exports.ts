// Finds exports of src/ that no other file imports, and exports without a doc comment. Imports by
// tests count; a namespace, a re-export or an `import()` counts for all names of its file.
import { readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path/posix'
import { parseSync } from 'oxc-parser'
import { sources } from './imports.ts'

/** Folders whose imports count. */
const folders = ['src', 'test', 'scripts', 'bench']

function targetOf(file: string, specifier: string): string {
  return specifier.startsWith('.')
    ? normalize(join(dirname(file), specifier))
    : specifier.replace(/^#\//, 'src/')
}

/** Every `<file> <name>` that `file` imports; `*` for a namespace, a re-export or `import()`. */
function namesImported(file: string): string[] {
  const text = readFileSync(file, 'utf8')
  const { module } = parseSync(file, text)
  const statics = module.staticImports.flatMap(({ moduleRequest, entries }) =>
    entries.map(
      ({ importName }) => `${targetOf(file, moduleRequest.value)} ${importName.name ?? '*'}`,
    ),
  )
  const reexports = module.staticExports
    .flatMap(({ entries }) => entries)
    .flatMap(({ moduleRequest }) => moduleRequest ?? [])
    .map(({ value }) => `${targetOf(file, value)} *`)
  const dynamics = module.dynamicImports.map(
    ({ moduleRequest: { start, end } }) => `${targetOf(file, text.slice(start + 1, end - 1))} *`,
  )
  return [...statics, ...reexports, ...dynamics]
}

/** The problems of one file of src/, given all names that others import. */
function problemsOf(file: string, imported: ReadonlySet<string>): string[] {
  const text = readFileSync(file, 'utf8')
  const { module, comments } = parseSync(file, text)
  if (imported.has(`${file} *`)) return []
  return module.staticExports.flatMap(({ start, entries }) => {
    const before = comments.findLast(({ end }) => end <= start)
    const isDocumented =
      before?.value.startsWith('*') && text.slice(before.end, start).trim() === ''
    const at = `${file}:${text.slice(0, start).split('\n').length}`
    return entries.flatMap(({ exportName: { name } }) => {
      if (name === null) return []
      if (!imported.has(`${file} ${name}`)) return [`${at} ${name} is used in its own file alone`]
      return isDocumented ? [] : [`${at} ${name} has no doc comment`]
    })
  })
}

const imported = new Set(folders.flatMap(sources).flatMap(namesImported))
const problems = sources('src').flatMap((file) => problemsOf(file, imported))
for (const problem of problems) console.log(problem)
process.exitCode = problems.length > 0 ? 1 : 0
