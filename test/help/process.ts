import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import { until } from './until.ts'
import { startArguments } from '../../scripts/start-arguments.ts'

export type ServiceProcess = Awaited<ReturnType<typeof startProcess>>

interface Spawned {
  child: ChildProcess
  /** What it has written to standard error so far. */
  stderr: () => string
  /** Resolves with the exit code, or the signal that ended it. */
  exit: Promise<number | NodeJS.Signals>
}

/**
 * Runs the service's program as users do; killed at teardown. Its standard output is a pipe, or the
 * file whose descriptor is given.
 */
export function spawnService(
  t: Test,
  env: Record<string, string>,
  args: string[] = [],
  stdout: 'pipe' | number = 'pipe',
): Spawned {
  const child = spawn(process.execPath, [...startArguments(), ...args], {
    env: {
      PATH: process.env.PATH,
      LOG_FORMAT: 'json',
      METRICS_ADDR: '127.0.0.1:0',
      // Watching the file has a span of its own.
      CONFIG_WATCH_FILE: 'false',
      ...env,
    },
    stdio: ['ignore', stdout, 'pipe'],
  })
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  t.teardown(() => child.kill('SIGKILL'))
  const exit = once(child, 'exit').then(
    ([code, signal]) => (signal ?? code) as number | NodeJS.Signals,
  )
  return { child, stderr: () => stderr, exit }
}

/**
 * Starts the program on two ports and waits until it says that it serves, and that it is ready: its
 * database may take longer than that.
 */
export async function startProcess(
  t: Test,
  env: Record<string, string>,
  { ready = true, args = [] }: { ready?: boolean; args?: string[] } = {},
) {
  const defaults = {
    HTTP_ADDR: '127.0.0.1:0',
    GRPC_ADDR: '127.0.0.1:0',
    // A machine that is busy with other things makes calls slow, which is no failure of theirs.
    TIMEOUT: '30s',
    DB_POOL_WAIT: '10s',
  }
  const { child, stderr, exit } = spawnService(t, { ...defaults, ...env }, args)
  const lines: Record<string, unknown>[] = []
  const serving = Promise.withResolvers<{ http: string; grpc: string; metrics: string }>()
  createInterface({ input: child.stdout ?? process.stdin }).on('line', (text) => {
    const line = JSON.parse(text) as Record<string, unknown>
    lines.push(line)
    if (String(line.msg).startsWith('serving')) serving.resolve(line as never)
  })
  void exit.then((code) => serving.reject(new Error(`the service ended with ${code}: ${stderr()}`)))
  const { http, grpc, metrics } = await serving.promise
  if (ready) await untilReady(`http://${http}/readyz`)
  return {
    rest: `http://${http}`,
    rpc: `http://${grpc}`,
    metrics: `http://${metrics}`,
    http,
    grpc,
    pid: child.pid ?? 0,
    exit,
    lines,
    stderr,
    kill: (signal: NodeJS.Signals) => child.kill(signal),
  }
}

/** Resolves once `url` answers 200. */
export async function untilReady(url: string): Promise<void> {
  await until(`200 of ${url}`, async () => {
    // Over TLS it cannot be asked here.
    const status = await fetch(url).then(
      (response) => response.status,
      () => 200,
    )
    return status === 200
  })
}
