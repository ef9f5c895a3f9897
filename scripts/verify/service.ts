import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { startArguments } from '../start-arguments.ts'

const root = join(import.meta.dirname, '../..')
const startTimeoutMs = 60_000

/** `host:port` of each port. */
interface Addresses {
  http: string
  grpc: string
  metrics: string
}

/** The service's program on free ports. */
interface RunningService extends Addresses {
  pid: number
  kill: (signal: NodeJS.Signals) => void
  /** Ends it as an orchestrator does. */
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Starts the service as users do, or that of another folder, and waits until it says that it serves;
 * killed when disposed of.
 */
export async function startService(
  env: Record<string, string>,
  folder = root,
): Promise<RunningService> {
  const child = spawn(process.execPath, startArguments(folder), {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      LOG_FORMAT: 'json',
      HTTP_ADDR: '127.0.0.1:0',
      GRPC_ADDR: '127.0.0.1:0',
      METRICS_ADDR: '127.0.0.1:0',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exit = once(child, 'exit')
  const serving = Promise.withResolvers<Addresses>()
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text) as { msg: string } & Addresses
    if (line.msg.startsWith('serving')) serving.resolve(line)
  })
  const late = setTimeout(() => serving.reject(new Error('it did not start')), startTimeoutMs)
  void exit.then(([code]) => serving.reject(new Error(`the service ended with ${code}`)))
  try {
    const { http, grpc, metrics } = await serving.promise
    return {
      http,
      grpc,
      metrics,
      pid: child.pid ?? 0,
      kill: (signal) => void child.kill(signal),
      async stop() {
        child.kill('SIGTERM')
        await exit
      },
      async [Symbol.asyncDispose]() {
        child.kill('SIGKILL')
        await exit
      },
    }
  } catch (err) {
    child.kill('SIGKILL')
    throw err
  } finally {
    clearTimeout(late)
  }
}

/** A folder that is removed when disposed of. */
export function temporaryFolder() {
  const path = mkdtempSync(join(tmpdir(), 'verify-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}
