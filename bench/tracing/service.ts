import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { startArguments } from '../../scripts/start-arguments.ts'

export interface Service {
  pid: number
  rest: string
  rpc: string
  stop: () => void
}

/** The service as users run it, its log read and thrown away; resolves when it serves. */
export async function startService(env: Record<string, string>): Promise<Service> {
  const child = spawn(process.execPath, startArguments(), {
    env: {
      PATH: process.env.PATH,
      NODE_ENV: 'production',
      LOG_FORMAT: 'json',
      HTTP_ADDR: '127.0.0.1:0',
      GRPC_ADDR: '127.0.0.1:0',
      METRICS_ADDR: '127.0.0.1:0',
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
    stop: () => child.kill('SIGKILL'),
  }
}
