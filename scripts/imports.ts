// Reads the imports of the project's own sources, those of types too.
import { readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path/posix'
import { spawnSync } from 'node:child_process'
import { parseSync } from 'oxc-parser'

/** One import of a source file. */
export interface Import {
  /** Paths from the project's root. */
  from: string
  line: number
  /** The path from the project's root for a file of the project, else the specifier as written. */
  to: string
  ours: boolean
}

/** The TypeScript files below `folder` that git does not ignore, without generated files. */
export function sources(folder: string): string[] {
  const args = [
    'ls-files',
    '--cached',
    '--others',
    '--exclude-standard',
    '--',
    `${folder}/**/*.ts`,
    `${folder}/*.ts`,
  ]
  const { stdout } = spawnSync('git', args, { encoding: 'utf8' })
  const files = new Set(
    stdout.split('\n').filter((file) => file !== '' && !file.startsWith('src/gen/')),
  )
  return [...files].toSorted()
}

/** The imports and re-exports of a file: static ones, and `import()` of a literal. */
export function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8')
  const { module } = parseSync(file, text)
  const statics = [
    ...module.staticImports,
    ...module.staticExports.flatMap(({ entries }) => entries),
  ]
  const requests = statics.flatMap(({ moduleRequest }) => moduleRequest ?? [])
  const dynamics = module.dynamicImports.map(({ moduleRequest: { start, end } }) => ({
    value: text.slice(start + 1, end - 1),
    start,
  }))
  return [...requests, ...dynamics].map(({ value, start }) => ({
    from: file,
    line: text.slice(0, start).split('\n').length,
    to: value.startsWith('.')
      ? normalize(join(dirname(file), value))
      : value.replace(/^#\//, 'src/'),
    ours: /^(?:\.|#\/)/.test(value),
  }))
}
