import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { startArguments } from '../../scripts/start-arguments.ts'

export interface Service {
  pid: number
  rest: string
  rpc: string
  /** Changes the ratio of traced calls, by the file of the settings. */
  sample: (ratio: string) => Promise<void>
  stop: () => void
}

/** Until a change of the settings is in force. */
const settleMs = 150

/** The service as users run it, its log read and thrown away; resolves when it serves. */
export async function startService(env: Record<string, string>): Promise<Service> {
  const dir = mkdtempSync(join(tmpdir(), 'bench-tracing-'))
  const file = join(dir, 'settings.yaml')
  const write = (ratio: string) => writeFileSync(file, `tracing: {sampling: {ratio: ${ratio}}}\n`)
  write('1.0')
  const child = spawn(process.execPath, [...startArguments(), '--conf', file], {
    env: {
      PATH: process.env.PATH,
      NODE_ENV: 'production',
      LOG_FORMAT: 'json',
      HTTP_ADDR: '127.0.0.1:0',
      GRPC_ADDR: '127.0.0.1:0',
      METRICS_ADDR: '127.0.0.1:0',
      // At SIGHUP alone.
      CONFIG_WATCH_FILE: 'false',
      TIMEOUT: '20s',
      // A machine that does other work, too, must not make calls fail.
      DB_POOL_WAIT: '20s',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const serving = Promise.withResolvers<{ http: string; grpc: string }>()
  child.once('exit', (code) => serving.reject(new Error(`the service ended with ${code}`)))
  const lines = createInterface({ input: child.stdout })
  lines.on('line', (line) => {
    if (line.includes('"msg":"serving')) serving.resolve(JSON.parse(line) as never)
  })
  const { http, grpc } = await serving.promise
  return {
    pid: child.pid ?? 0,
    rest: `http://${http}`,
    rpc: `http://${grpc}`,
    async sample(ratio) {
      write(ratio)
      child.kill('SIGHUP')
      await sleep(settleMs)
    },
    stop() {
      child.kill('SIGKILL')
      rmSync(dir, { recursive: true })
    },
  }
}
