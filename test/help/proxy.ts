import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { until } from './until.ts'

/** One instance of the service behind a proxy, by its ports on 127.0.0.1. */
export interface Backend {
  http: number
  grpc: number
}

interface ProxyRun {
  /** The text of the configuration; gets the temporary folder of this run. */
  configuration: (dir: string) => string
  /** The arguments for a configuration file in that folder. */
  args: (file: string, dir: string) => string[]
  /** Waited for until they take connections. */
  ports: readonly number[]
}

/** Runs a proxy in the foreground on a configuration file of its own; ended at teardown. */
export async function runProxy(
  t: Test,
  program: string,
  { configuration, args, ports }: ProxyRun,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'test-proxy-'))
  const file = join(dir, 'proxy.conf')
  writeFileSync(file, configuration(dir))
  const child = spawn(program, args(file, dir), { stdio: ['ignore', 'inherit', 'pipe'] })
  const exit = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exit
    rmSync(dir, { recursive: true, force: true })
  })
  await Promise.all(ports.map(untilListening))
}

async function untilListening(port: number): Promise<void> {
  await until(`a listener on port ${port}`, async () => {
    const socket = connect({ port, host: '127.0.0.1' })
    const connected = await once(socket, 'connect').then(
      () => true,
      () => false,
    )
    socket.destroy()
    return connected
  })
}
