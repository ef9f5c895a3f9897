import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../scripts/free-port.ts'
import { pinned } from '../measure/cores.ts'
import { seed } from '../measure/seed.ts'
import { storedUsers } from './caller.ts'
import { startArguments } from '../../scripts/start-arguments.ts'

export interface Service {
  pid: number
  ports: { rest: number; grpc: number }
  stop(): Promise<void>
}

/**
 * Fills a database and serves it by the checkout in `folder` with the settings that users have, on the
 * core `core` where one is given. The log is written, and thrown away.
 */
export async function startService(
  folder: string,
  env: Record<string, string>,
  core: number | undefined,
): Promise<Service> {
  await seed(folder, env, storedUsers)
  const ports = { rest: await freePort(), grpc: await freePort() }
  const addresses = {
    HTTP_ADDR: `127.0.0.1:${ports.rest}`,
    GRPC_ADDR: `127.0.0.1:${ports.grpc}`,
    METRICS_ADDR: '127.0.0.1:0',
  }
  const child = run(folder, { ...env, ...addresses }, core)
  await untilReady(child, ports.rest)
  return {
    pid: child.pid ?? 0,
    ports,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exit = once(child, 'exit')
      child.kill('SIGKILL')
      await exit
    },
  }
}

function run(folder: string, env: Record<string, string>, core: number | undefined): ChildProcess {
  const command = [...pinned(core), process.execPath, ...startArguments(folder)]
  return spawn(command[0] ?? '', command.slice(1), {
    cwd: folder,
    env: { PATH: process.env.PATH, NODE_ENV: 'production', LOG_FORMAT: 'json', ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

async function untilReady(child: ChildProcess, port: number): Promise<void> {
  for (let left = 300; left > 0 && child.exitCode === null; left -= 1) {
    const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined)
    if (response?.ok) return
    await sleep(100)
  }
  throw new Error('the service did not get ready')
}
