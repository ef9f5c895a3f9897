import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../scripts/free-port.ts'
import { pinned } from '../measure/cores.ts'
import { grpcCaller } from '../overload/grpc-caller.ts'
import { idOf, type Ports, type Server } from './servers.ts'

/** A server that has answered. */
export interface Running {
  server: Server
  pid: number
  ports: Ports
  /** From exec to the first user that it gave. */
  readyMs: number
  [Symbol.asyncDispose](): Promise<void>
}

const startTimeoutMs = 60_000
const stopTimeoutMs = 15_000

/** Those of sessions of their own, which a Ctrl-C does not reach. */
const started = new Set<ChildProcess>()
process.once('exit', () => started.forEach((child) => child.kill('SIGKILL')))

/** Starts a server on the core `core`; what it prints goes to files in `logs`. */
export async function start(
  server: Server,
  core: number | undefined,
  logs: string,
): Promise<Running> {
  const ports = { rest: await freePort(), grpc: await freePort() }
  const [program = '', ...args] = [...pinned(core), ...server.command]
  const log = join(logs, `${idOf(server).replaceAll(/\W+/g, '-')}.log`)
  const files = [openSync(log, 'a'), openSync(`${log}.err`, 'a')] as const
  const begin = performance.now()
  const child = spawn(program, args, {
    cwd: server.folder,
    env: { PATH: process.env.PATH, NODE_ENV: 'production', ...server.env(ports) },
    stdio: ['ignore', ...files],
    // A session of its own, which Linux gives as much of a busy core as all of another session.
    detached: true,
  })
  started.add(child)
  child.once('exit', () => started.delete(child))
  files.forEach(closeSync)
  try {
    await untilAnswers(server, ports, child)
  } catch (err) {
    await stop(child)
    const told = [log, `${log}.err`].map((file) => readFileSync(file, 'utf8').slice(-1000))
    throw new Error(`${idOf(server)} does not become ready: ${told.join('')}`, { cause: err })
  }
  return {
    server,
    pid: child.pid ?? 0,
    ports,
    readyMs: performance.now() - begin,
    [Symbol.asyncDispose]: () => stop(child),
  }
}

async function untilAnswers({ serves }: Server, ports: Ports, child: ChildProcess): Promise<void> {
  const answers = serves.includes('rest') ? answersRest : answersGrpc
  const deadline = performance.now() + startTimeoutMs
  while (!(await answers(ports))) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`)
    if (performance.now() > deadline) throw new Error('it takes too long')
    await sleep(2)
  }
}

function answersRest({ rest }: Ports): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  get({ host: '127.0.0.1', port: rest, path: '/v1/users/1', agent: false }, (response) => {
    response.resume()
    resolve(response.statusCode === 200)
  }).on('error', () => resolve(false))
  return promise
}

async function answersGrpc({ grpc }: Ports): Promise<boolean> {
  try {
    const caller = await grpcCaller(grpc, 1)
    const { promise, resolve } = Promise.withResolvers<boolean>()
    caller.call((outcome) => resolve(outcome === 'ok'))
    const answered = await promise
    caller.close()
    return answered
  } catch {
    return false
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGTERM')
  const kill = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs)
  await exit
  clearTimeout(kill)
}
