import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { startArguments } from '../../scripts/start-arguments.ts'

const project = join(import.meta.dirname, '../..')

/** A process that listens. */
export interface Running {
  pid: number
  rest: number
  grpc: number
}

/** Starts the service of users, and a gateway before it, each in a process of its own. */
export async function startBoth() {
  const folder = mkdtempSync(join(tmpdir(), 'bench-gateway-'))
  const children: ChildProcess[] = []
  const close = async (): Promise<void> => {
    for (const child of children) {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
    }
    rmSync(folder, { recursive: true })
  }
  try {
    const service = await start({ SQLITE_PATH: join(folder, 'users.db') }, [], children)
    const conf = join(folder, 'gateway.yaml')
    const target = `direct:///127.0.0.1:${service.grpc}`
    writeFileSync(
      conf,
      JSON.stringify({ gateway: { services: { 'api.user.v1.User': { target } } } }),
    )
    const off = { USER_ENABLED: 'false', ORDER_ENABLED: 'false' }
    const gateway = await start(off, ['--conf', conf], children)
    return { service, gateway, close }
  } catch (err) {
    await close()
    throw err
  }
}

async function start(
  env: Record<string, string>,
  args: readonly string[],
  children: ChildProcess[],
): Promise<Running> {
  const child = spawn(process.execPath, [...startArguments(), ...args], {
    cwd: project,
    env: {
      PATH: process.env.PATH,
      HTTP_ADDR: '127.0.0.1:0',
      GRPC_ADDR: '127.0.0.1:0',
      METRICS_ADDR: '',
      LOG_FORMAT: 'json',
      // The line of the start tells the ports.
      LOG_LEVEL: 'info',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  const { promise, resolve, reject } = Promise.withResolvers<Running>()
  child.once('close', () => reject(new Error('a process has ended before it served')))
  const lines = createInterface({ input: child.stdout })
  // Read on to the end, since a process whose output nobody reads stops.
  lines.on('line', (line) => {
    if (!line.includes('"http":')) return
    const { http, grpc } = JSON.parse(line) as { http: string; grpc: string }
    resolve({ pid: child.pid ?? 0, rest: portOf(http), grpc: portOf(grpc) })
  })
  return promise
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1))
}
