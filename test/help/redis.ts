import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { freePort } from '../../scripts/free-port.ts'
import { findProgram } from '../../scripts/program.ts'
import { redisPlace, type RedisPlace } from '../../src/data/redis/url.ts'
import { until } from './until.ts'

const program = findProgram('redis-server')

/** Why tests of Redis are skipped; false where it is there, and in CI, where they must run. */
export const withoutRedis =
  program !== undefined || process.env.CI !== undefined
    ? false
    : 'needs redis-server (Debian: redis-server)'

/** Where a Redis on a port of this machine is. */
export function placeOf(port: number, further: Partial<RedisPlace> = {}): RedisPlace {
  const place = redisPlace(`127.0.0.1:${port}`)
  if (!place) throw new Error(`no place: ${port}`)
  return { ...place, ...further }
}

/** Runs Redis on a free port, without files of data; killed when the test ends. */
export async function startRedis(t: Test, flags: readonly string[] = []) {
  const folder = mkdtempSync(join(tmpdir(), 'test-redis-'))
  const port = await freePort()
  let child: ChildProcess | undefined

  async function kill(): Promise<void> {
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
  }
  async function start(): Promise<void> {
    const own = ['--bind', '127.0.0.1', '--dir', folder, '--save', '', '--logfile', 'log']
    const ports = flags.includes('--tls-port') ? [] : ['--port', String(port)]
    const all = [...own, ...ports, ...flags.map((flag) => flag.replace('PORT', String(port)))]
    child = spawn(program ?? 'redis-server', all, { stdio: ['ignore', 'ignore', 'inherit'] })
    await until('Redis', () => answers(port))
  }
  t.teardown(async () => {
    await kill()
    rmSync(folder, { recursive: true, force: true })
  })
  await start()
  return {
    port,
    kill,
    /** Starts it again on the same port, empty. */
    start,
    /** Stops it in the middle of whatever it does, as a frozen machine does. */
    freeze: () => child?.kill('SIGSTOP'),
    thaw: () => child?.kill('SIGCONT'),
  }
}

async function answers(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' })
  const connected = await once(socket, 'connect').then(
    () => true,
    () => false,
  )
  socket.destroy()
  return connected
}
