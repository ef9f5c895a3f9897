import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { project } from '../tool.ts'
import { find, run } from './command.ts'
import { startService, temporaryFolder } from './service.ts'

interface Manifest {
  dependencies: Record<string, string>
  devDependencies: Record<string, string>
}

/** A life of a user by the package, in plain JavaScript; the address comes by the command line. */
const life = `
import { createGrpcTransport } from '@connectrpc/connect-node'
import { createClients, reasonOf } from 'user-service-client'

const { user } = createClients(createGrpcTransport({ baseUrl: process.argv[2] ?? '' }))
const { id } = await user.createUser({ name: 'Ada', email: 'ada@example.org' })
const { users } = await user.listUsers({})
try {
  await user.createUser({ name: 'Ada', email: 'ada@example.org' })
} catch (err) {
  console.log(users.map((each) => each.id === id), reasonOf(err)?.reason)
}
`
const expected = '[ true ] USER_ALREADY_EXISTS'

/** Makes the package of clients, installs it in an empty project, and calls the service by it. */
export async function clientPackage(): Promise<string> {
  const npm = find('npm')
  using folder = temporaryFolder()
  const made = join(folder.path, 'package')
  await run([process.execPath, join(project, 'scripts/client/main.ts'), '--out', made])
  const own = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as Manifest
  const node = `@connectrpc/connect-node@${own.dependencies['@connectrpc/connect-node']}`
  const typescript = `typescript@${own.devDependencies.typescript}`
  const types = `@types/node@${own.devDependencies['@types/node']}`
  const inFolder = (command: string[]) => run(command, { cwd: folder.path })
  writeFileSync(join(folder.path, 'package.json'), '{"type":"module","private":true}')
  const [tarball = ''] = (await inFolder([npm, 'pack', '--silent', './package'])).trim().split('\n')
  await inFolder([
    npm,
    'install',
    '--no-audit',
    '--no-fund',
    `./${tarball}`,
    node,
    typescript,
    types,
  ])
  writeFileSync(join(folder.path, 'life.js'), life)
  writeFileSync(join(folder.path, 'life.ts'), life)
  const tsc = [join(folder.path, 'node_modules/.bin/tsc'), '--noEmit', '--strict']
  await inFolder([...tsc, '--module', 'nodenext', '--types', 'node', 'life.ts'])
  const SQLITE_PATH = join(folder.path, 'users.db')
  await using service = await startService({ SQLITE_PATH })
  const output = await inFolder([process.execPath, 'life.js', `http://${service.grpc}`])
  if (output.trim() !== expected) throw new Error(`found ${output}, expected ${expected}`)
  return 'installed from its tarball, it type-checks, and calls the service from plain JavaScript'
}
