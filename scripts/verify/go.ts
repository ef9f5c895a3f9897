// Calls the service by connect-go, grpc-go and Kratos with its tokens, built with Go from test/interop.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { buildClients } from '../go-clients.ts'
import { find, run } from './command.ts'
import { startService, temporaryFolder } from './service.ts'

const folderOf = {
  'user-service/clients': 'test/interop/go',
  'user-service/interop': 'test/interop/kratos',
}

function build(program: string, module: keyof typeof folderOf = 'user-service/clients'): string {
  find('go')
  console.log('building the clients with Go')
  const folder = join(import.meta.dirname, '../..', folderOf[module])
  return buildClients({ folder, module, programs: [program] }).get(program) ?? program
}

const passed = (checks: number) => `${checks} checks passed`

/** Gives the number of checks. Throws MissingTool without Go, and when a check fails. */
export async function connectGo(): Promise<string> {
  const program = build('connect')
  using folder = temporaryFolder()
  await using service = await startService({ SQLITE_PATH: join(folder.path, 'users.db') })
  const output = await run([program, service.grpc, service.metrics])
  return passed(output.match(/^ok /gm)?.length ?? 0)
}

/** The same for Kratos v2, whose middleware signs the tokens by a secret that it shares with the service. */
export async function kratosTokens(): Promise<string> {
  const program = build('kratos-v2', 'user-service/interop')
  const secret = 'a-secret-of-thirty-two-characters'
  using folder = temporaryFolder()
  await using service = await startService({
    SQLITE_PATH: join(folder.path, 'users.db'),
    AUTH_SECRET: secret,
    AUTH_ALGORITHMS: 'HS256',
  })
  const output = await run([program, service.http, service.grpc, secret])
  return passed(output.match(/^ok /gm)?.length ?? 0)
}

/** The same for grpc-go, which calls two instances and asks for one of them to stop and start. */
export async function grpcGo(): Promise<string> {
  const program = build('grpc')
  using folder = temporaryFolder()
  const start = (name: string, env = {}) =>
    startService({ SQLITE_PATH: join(folder.path, `${name}.db`), ...env })
  await using first = await start('first')
  await using instances = new AsyncDisposableStack()
  let second = instances.use(await start('second'))
  const { grpc } = second
  const child = spawn(program, [first.grpc, grpc, first.metrics], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exit = once(child, 'exit') as Promise<[number | null]>
  let checks = 0
  for await (const line of createInterface({ input: child.stdout })) {
    console.log(line)
    if (line.startsWith('ok ')) checks += 1
    if (!line.startsWith('ask: ')) continue
    if (line === 'ask: stop') await second.stop()
    else second = instances.use(await start('second', { GRPC_ADDR: grpc }))
    child.stdin.write('done\n')
  }
  const [code] = await exit
  if (code !== 0) throw new Error(`grpc-go ended with ${code} after ${passed(checks)}`)
  return passed(checks)
}
