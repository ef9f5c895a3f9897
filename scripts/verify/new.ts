import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { project } from '../tool.ts'
import { run } from './command.ts'

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

/** Makes resources in a clone of HEAD, one after the other, with all checks and their tests. */
export async function newResources(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'verify-new-'))
  const inFolder = (command: string[]) => run(command, { cwd: folder })
  const node = process.execPath
  try {
    await run(['git', 'clone', '--quiet', project, folder])
    symlinkSync(join(project, 'node_modules'), join(folder, 'node_modules'))
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
