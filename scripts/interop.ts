// Calls the service with Kratos v2 and v3 clients in Go, over HTTP and gRPC: `npm run interop`. The
// service runs on an empty SQLite file. It needs Go; the clients are in test/interop/kratos.
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const root = join(import.meta.dirname, '..')
const clients = join(root, 'test/interop/kratos')
const cache = join(root, 'node_modules/.cache/interop')
const startMs = 30_000

process.exitCode = await main()

async function main(): Promise<number> {
  if (spawnSync('go', ['version']).error) {
    console.error('interop: needs Go 1.25 or newer on the PATH, as `go`; https://go.dev/dl has it')
    return 1
  }
  try {
    build()
    await using service = await startService()
    const codes = ['kratos-v2', 'kratos-v3'].map((name) => {
      const { status } = spawnSync(join(cache, name), [service.http, service.grpc], {
        stdio: 'inherit',
      })
      return status ?? 1
    })
    return Math.max(...codes)
  } catch (err) {
    console.error(`interop: ${err instanceof Error ? err.message : String(err)}`)
    return 1
  }
}

function run(command: string, args: string[], cwd = clients): void {
  const { status, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`)
}

/** Generates the messages and the gRPC client, which are not committed, and builds both programs. */
function build(): void {
  mkdirSync(cache, { recursive: true })
  const packages = {
    'google.golang.org/protobuf/cmd/protoc-gen-go': 'protoc-gen-go',
    'google.golang.org/grpc/cmd/protoc-gen-go-grpc': 'protoc-gen-go-grpc',
  }
  for (const [path, name] of Object.entries(packages))
    run('go', ['build', '-o', join(cache, name), path])
  const imports = [
    'module=user-service/interop',
    'Mapi/user/v1/user.proto=user-service/interop/gen/user',
    'Mbuf/validate/validate.proto=user-service/interop/gen/validate',
  ]
  const plugins = Object.values(packages).map((name) => ({
    local: join(cache, name),
    out: clients,
    opt: imports,
  }))
  const paths = ['proto/api/user', 'third_party/buf'].flatMap((path) => ['--path', path])
  const template = JSON.stringify({ version: 'v2', plugins })
  run(join(root, 'node_modules/.bin/buf'), ['generate', '--template', template, ...paths], root)
  run('go', ['build', '-o', cache, './kratos-v2', './kratos-v3'])
}

/** The service's own program on free ports; stopped, and its database removed, by disposal. */
async function startService() {
  const folder = mkdtempSync(join(tmpdir(), 'interop-'))
  const child = spawn(process.execPath, [join(root, 'src/main.ts')], {
    env: {
      PATH: process.env.PATH,
      HTTP_ADDR: '127.0.0.1:0',
      GRPC_ADDR: '127.0.0.1:0',
      SQLITE_PATH: join(folder, 'users.db'),
      LOG_FORMAT: 'json',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const serving = Promise.withResolvers<{ http: string; grpc: string }>()
  const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const slow = setTimeout(() => serving.reject(new Error('the service does not start')), startMs)
  void exit.then(() => serving.reject(new Error('the service has ended')))
  createInterface({ input: child.stdout }).on('line', (line) => {
    const { msg, http, grpc } = JSON.parse(line) as Record<string, string>
    if (msg?.startsWith('serving') && http && grpc) serving.resolve({ http, grpc })
  })
  async function stop(): Promise<void> {
    clearTimeout(slow)
    child.kill('SIGTERM')
    await exit
    rmSync(folder, { recursive: true })
  }
  try {
    return { ...(await serving.promise), [Symbol.asyncDispose]: stop }
  } catch (err) {
    await stop()
    throw err
  }
}
