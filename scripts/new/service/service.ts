import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { nouns } from '../../nouns.ts'
import { npm, provide } from '../../on-demand.ts'
import { project } from '../../tool.ts'
import { resourceOf, type Resource } from '../field.ts'
import { type Name, nameOf, type Noun, nounOf } from '../noun.ts'
import { changes, newFiles } from '../plan.ts'
import { Refusal } from '../refusal.ts'
import { requireClean, requireFree, run } from '../tree.ts'
import { withCuts } from './cuts.ts'
import { withPages } from './docs.ts'
import { type Files, isExecutable, ownFiles } from './files.ts'
import { keptOf, reached } from './left-out.ts'
import { type Names, renamed, renamedPath } from './rename.ts'
import { changelog, manifest, pageTable, readme } from './texts.ts'

interface ServiceOptions {
  name: string
  dir: string | undefined
  resource: string | undefined
  fields: readonly string[]
  plural: string | undefined
  dryRun: boolean
}

/** Methods list the reasons of each noun by an option with a number of its own. */
const firstOption = 50_110

/** Writes a project of its own with one resource, and gives what to tell. Throws Refusal. */
export function newService(options: ServiceOptions): string {
  const { name, dir, resource: noun, fields, plural, dryRun } = options
  if (dir === undefined || noun === undefined)
    throw new Refusal('a service needs --dir, the folder of the new project, and --resource')
  const resource = resourceOf(nounOf(noun, plural), fields)
  const service = serviceName(name, resource)
  const folder = resolve(dir)
  requireEmpty(folder)
  // Those of the frame would be replaced, and those of the nouns left out.
  requireFree(Object.keys(newFiles(resource, firstOption)))
  const files = projectOf({ service, noun: resource.noun }, resource)
  if (dryRun) return `${told(files, folder)}\n\nNothing was written (--dry-run).`
  requireClean()
  provide('drizzle-kit')
  const isCommitted = wholly(folder, () => {
    writeAll(files, folder)
    return finish(folder, resource)
  })
  return `${told(files, folder)}\n\n${next(folder, resource, isCommitted)}`
}

function serviceName(given: string, { noun }: Resource): Name {
  const { kebab } = nounOf(given)
  if (kebab === noun.kebab || kebab === noun.many.kebab)
    throw new Refusal(`a service cannot be called as its resource, ${kebab}`)
  return nameOf(kebab)
}

function requireEmpty(folder: string): void {
  if (existsSync(folder) && readdirSync(folder).length > 0)
    throw new Refusal(`${folder} is not empty: give a folder that is, or that is not there`)
  if (!relative(project, folder).startsWith('..'))
    throw new Refusal(`${folder} is in this project: give a folder outside of it`)
}

/** All files of the new project that are not generated from others. */
function projectOf(names: Names, resource: Resource): Files {
  const all = new Map([...ownFiles(), ...Object.entries(newFiles(resource, firstOption))])
  for (const [path, change] of Object.entries(changes(resource)))
    all.set(path, change(all.get(path) ?? ''))
  const kept = withColumns(withCuts(keptOf(all, nouns())), resource)
  const { snake } = resource.noun
  const generated = (path: string) =>
    path.startsWith('src/gen/') || path.startsWith(`proto/api/${snake}/`)
  const own = [...reached(kept, generated)].map(
    ([path, text]) => [renamedPath(path, names), renamed(path, text, names)] as const,
  )
  return withTexts(withPages(new Map(own)), names, resource)
}

/** The cuts take away a column type of this project that the resource may have, too. */
function withColumns(files: Files, resource: Resource): Files {
  const path = 'src/data/sqlite/schema/columns.ts'
  const text = changes(resource)[path]?.(files.get(path) ?? '') ?? ''
  return new Map([...files, [path, text]])
}

function withTexts(files: Files, { service }: Names, resource: Resource): Files {
  const all = new Map(files)
  const texts = [...files].filter(([path]) => !/(?:^|\/)package(?:-lock)?\.json$/.test(path))
  const isUsed = (name: string) =>
    /^(?:node|typescript|tap|ox.*|@types\/node|@bufbuild\/.*)$/.test(name) ||
    texts.some(([, text]) => names(text, name))
  all.set('package.json', manifest(files.get('package.json') ?? '', service.kebab, isUsed))
  const pages = new Map([...files].filter(([path]) => /^docs\/[^/]+\.md$/.test(path)))
  all.set('README.md', readme(service, resource) + pageTable(pages))
  all.set('CHANGELOG.md', changelog(resource))
  // The messages of all commits are checked.
  all.set('.ci/commits-since', '')
  return all
}

/** Whether a text imports a package, runs its program or reads one of its files. */
function names(text: string, packageName: string): boolean {
  const name = packageName.replaceAll('.', '\\.')
  return new RegExp(
    `(?:from|import|import\\(|require\\(|resolve\\(|tool\\()\\s*['"]${name}['"/]|node_modules/${name}`,
  ).test(text)
}

/** Runs what fills an empty folder. Where that fails nothing is left, so that the folder can be given again. */
function wholly<T>(folder: string, fill: () => T): T {
  const made = mkdirSync(folder, { recursive: true })
  try {
    return fill()
  } catch (err) {
    const left = readdirSync(folder).map((name) => join(folder, name))
    for (const path of made === undefined ? left : [made])
      rmSync(path, { recursive: true, force: true })
    throw err
  }
}

function writeAll(files: Files, folder: string): void {
  const own = ownFiles()
  for (const [path, text] of files) {
    const file = join(folder, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
    if (own.has(path) && isExecutable(path)) chmodSync(file, 0o755)
  }
}

/**
 * Makes what follows from the files, by the packages of this project, and commits all of it. False where
 * git has nobody to commit for.
 */
function finish(folder: string, { noun }: Resource): boolean {
  const inFolder = (...command: string[]) => run(command, folder)
  const packages = ['node_modules', 'scripts/packages/drizzle-kit/node_modules']
  const lock = ['install', '--package-lock-only', '--ignore-scripts', '--prefer-offline']
  inFolder(...npm(), ...lock)
  inFolder('git', 'init', '--quiet', '--initial-branch=main')
  for (const path of packages) symlinkSync(join(project, path), join(folder, path))
  try {
    const derive = `const { derive } = await import('./scripts/new/derive.ts')
derive(${JSON.stringify(noun)}, ['.'])`
    inFolder(process.execPath, '--input-type=module', '--eval', derive)
  } finally {
    for (const path of packages) rmSync(join(folder, path))
  }
  inFolder('git', 'add', '--all')
  try {
    inFolder('git', 'commit', '--quiet', '--message', firstCommit(noun))
    return true
  } catch {
    // Git knows nobody who could be the author.
    return false
  }
}

function firstCommit({ many }: Noun): string {
  return `feat(src): a service of ${many.words}

It begins as \`npm run new -- service\` has written it: the frame of the service, and ${many.words} in each
layer.`
}

function told(files: Files, folder: string): string {
  const tops = new Map<string, number>()
  for (const path of files.keys()) {
    const [top = '', ...rest] = path.split('/')
    const shown = rest.length > 1 ? `${top}/${rest[0]}/` : rest.length > 0 ? `${top}/` : top
    tops.set(shown, (tops.get(shown) ?? 0) + 1)
  }
  const rows = [...tops]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([top, count]) => `  ${top} ${count > 1 ? count : ''}`.trimEnd())
  return [`New in ${folder}, with the number of files in each folder:`, ...rows].join('\n')
}

function next(folder: string, { noun }: Resource, isCommitted: boolean): string {
  const { snake, many } = noun
  const commit = isCommitted ? '' : ' && git commit'
  return `Next:
  1. cd ${folder}${commit} && npm ci && npm test
  2. Read proto/api/${snake}/v1/${snake}.proto: say there what ${many.words} are, and give the fields the rules that
     their meaning has; then \`npm run gen\` and \`npm run openapi -- --write\`.
  3. npm start, and: curl localhost:8000/v1/${many.kebab}`
}
