// Calls the service with Kratos v2 and v3 clients in Go, over HTTP and gRPC: `npm run interop`. The
// service runs on an empty SQLite file. It needs Go; the clients are in test/interop/kratos.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { buildClients } from './go-clients.ts'

const root = join(import.meta.dirname, '..')
const startMs = 30_000

process.exitCode = await main()

async function main(): Promise<number> {
  if (spawnSync('go', ['version']).error) {
    console.error('interop: needs Go 1.25 or newer on the PATH, as `go`; https://go.dev/dl has it')
    return 1
  }
  try {
    const programs = buildClients({
      folder: join(root, 'test/interop/kratos'),
      module: 'user-service/interop',
      programs: ['kratos-v2', 'kratos-v3'],
    })
    await using service = await startService()
    const codes = Array.from(programs.values(), (program) => {
      const { status } = spawnSync(program, [service.http, service.grpc], { stdio: 'inherit' })
      return status ?? 1
    })
    return Math.max(...codes)
  } catch (err) {
    console.error(`interop: ${err instanceof Error ? err.message : String(err)}`)
    return 1
  }
}

/** The service's own program on free ports; stopped, and its database removed, by disposal. */
async function startService() {
  const folder = mkdtempSync(join(tmpdir(), 'interop-'))
  const child = spawn(process.execPath, [join(root, 'src/start.js')], {
    env: {
      PATH: process.env.PATH,
      HTTP_ADDR: '127.0.0.1:0',
      GRPC_ADDR: '127.0.0.1:0',
      METRICS_ADDR: '',
      TIMEOUT: '10s',
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
