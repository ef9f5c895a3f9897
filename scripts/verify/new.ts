import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { provide } from '../on-demand.ts'
import { project } from '../tool.ts'
import { run } from './command.ts'
import { startService } from './service.ts'

/** A resource of every type and mark, and those of a single field; methods that find them. */
const commands = [
  'resource book-copy title:string pages:int32 isbn:string@unique shelf_number:int64@unique@optional weight:double in_print:bool bought_at:timestamp sold_at:timestamp@optional note:string@optional rating:int32@optional',
  'resource tag color:string@unique',
  'resource reading celsius:double',
  'method book-copy FindByIsbn',
  'method book-copy FindByShelfNumber',
  'method tag FindByColor',
]
const names = ['book-copy', 'tag', 'reading']

/** Tests beside those of the resource that look at all resources. */
const others =
  'test/rooms.test.ts test/docs.test.ts test/readme.test.ts test/data/migration.test.ts test/data/private-fields.test.ts test/e2e/openapi.test.ts test/e2e/docs.test.ts'

/** What `npm run verify -- new` shows: resources in this project, then a project of its own. */
export async function newNouns(): Promise<string> {
  return [await newResources(), await newProject()].join('; ')
}

/** Makes resources in a clone of HEAD, one after the other, with all checks and their tests. */
async function newResources(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'verify-new-'))
  const inFolder = (command: string[]) => run(command, { cwd: folder })
  const node = process.execPath
  try {
    await run(['git', 'clone', '--quiet', project, folder])
    linkPackages(folder)
    const head = await inFolder(['git', 'rev-parse', 'HEAD'])
    for (const command of commands) {
      const [what = '', name = '', ...rest] = command.split(' ')
      await inFolder([node, 'scripts/new/main.ts', what, name, ...rest])
      await inFolder(['git', 'add', '--all'])
      const identity = ['-c', 'user.name=verify', '-c', 'user.email=verify@example.org']
      const message = ['-m', `feat(${name}): a new ${what}`, '-m', 'The generator is tried.']
      await inFolder(['git', ...identity, 'commit', '--quiet', ...message])
    }
    // The messages of the commits before are no matter of the generator.
    writeFileSync(join(folder, '.ci/commits-since'), head)
    await inFolder([node, 'scripts/check.ts'])
    const tests = names.flatMap((name) =>
      ['biz', 'data', 'e2e'].map((room) => `test/${room}/${name}.test.ts`),
    )
    const output = await inFolder([node, 'scripts/test.ts', ...tests, ...others.split(' ')])
    return `${names.join(', ')}: ${output.trim().split('\n').at(-1)}`
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Makes a project of its own with four types of fields, which installs its packages and passes all of its checks and tests. */
async function newProject(): Promise<string> {
  const parent = mkdtempSync(join(tmpdir(), 'verify-new-'))
  const [origin, folder] = [join(parent, 'origin'), join(parent, 'library')]
  const node = process.execPath
  try {
    await run(['git', 'clone', '--quiet', project, origin])
    linkPackages(origin)
    const fields = 'title:string pages:int32 isbn:string@unique sold_at:timestamp@optional'
    const asked = [
      'service',
      'library',
      '--dir',
      folder,
      '--resource',
      'book',
      ...fields.split(' '),
    ]
    await run([node, 'scripts/new/main.ts', ...asked], { cwd: origin, env: author })
    await run(['npm', 'ci', '--prefer-offline'], { cwd: folder })
    await run([node, 'scripts/check.ts'], { cwd: folder })
    const life = await lifeOfRow(folder)
    const output = await run([node, 'scripts/test.ts'], { cwd: folder })
    return `library: ${life}, ${output.trim().split('\n').at(-1)}`
  } finally {
    rmSync(parent, { recursive: true, force: true })
  }
}

/** Gives a clone the packages of this project, with what the generator installs on demand. */
function linkPackages(folder: string): void {
  provide('drizzle-kit')
  for (const path of ['node_modules', 'scripts/packages/drizzle-kit/node_modules'])
    symlinkSync(join(project, path), join(folder, path))
}

const author = Object.fromEntries(
  ['AUTHOR', 'COMMITTER'].flatMap((who) => [
    [`GIT_${who}_NAME`, 'verify'],
    [`GIT_${who}_EMAIL`, 'verify@example.org'],
  ]),
)

/** Creates a row on one port of the project's program and deletes it on the other one. */
async function lifeOfRow(folder: string): Promise<string> {
  await using service = await startService({ SQLITE_PATH: join(folder, 'life.db') }, folder)
  const rest = `http://${service.http}/v1/books`
  const rpc = (method: string, body: object) =>
    asked(`http://${service.grpc}/api.book.v1.Book/${method}`, 'POST', body)
  const id = String((await asked(rest, 'POST', { title: 'Emma', pages: 474, isbn: '1' })).id)
  await asked(`${rest}/${id}`, 'PATCH', { pages: 475 })
  const { pages } = await rpc('GetBook', { id })
  if (pages !== 475) throw new Error(`the ports disagree: ${String(pages)} pages`)
  await rpc('DeleteBook', { id })
  const { status } = await fetch(`${rest}/${id}`)
  if (status !== 404) throw new Error(`a deleted book answers ${status}`)
  return 'a row lives on both ports'
}

async function asked(url: string, method: string, body: object): Promise<Record<string, unknown>> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(url, { method, headers, body: JSON.stringify(body) })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${text}`)
  return JSON.parse(text) as Record<string, unknown>
}
