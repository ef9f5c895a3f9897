import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { cpuSeconds } from '../measure/process-cpu.ts'
import type { Running } from './running.ts'
import type { Protocol } from './servers.ts'

/** A kind of call. */
export interface Case {
  protocol: Protocol
  call: 'get' | 'create' | 'list'
}

export const nameOf = ({ protocol, call }: Case) => `${protocol}-${call}`

/** What a slice of time cost and brought. */
export interface Slice {
  calls: number
  /** CPU time a call, in µs. */
  serverUs: number
  databaseUs: number
  perSecond: number
  /** The share of the time for which the server ran. */
  core: number
  p50Ms: number
  p99Ms: number
  failed: number
  error: string
}

/** Of the generator, in the names of its JSON. */
interface Result {
  requests: number
  us: number
  p50: number
  p99: number
  failed: number
  error: string
}

/** What all slices of a run share. */
export interface Bench {
  /** The program that makes the calls. */
  load: string
  databasePid: number
  /** Users that the database had before the first call. */
  users: number
}

interface Amount {
  seconds: number
  /** Calls that begin in a second; 0: each caller calls as soon as it has an answer. */
  rate?: number
  /** Seconds of calls before those that are counted. */
  lead?: number
}

let slices = 0

/**
 * Measures one kind of call on one server. CPU time is read before the first call and after the last
 * answer, so that it belongs to the calls that are counted.
 */
export async function slice(
  bench: Bench,
  { protocol, call }: Case,
  running: Running,
  { seconds, rate = 0, lead = 0.5 }: Amount,
): Promise<Slice> {
  slices += 1
  const options = {
    addr: `127.0.0.1:${running.ports[protocol]}`,
    call,
    users: bench.users,
    run: `${Date.now().toString(36)}${slices}`,
    seconds,
    rate,
    lead,
  }
  const args = Object.entries(options).map(([name, value]) => `-${name}=${value}`)
  const child = spawn(bench.load, [protocol, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  })
  const cpu = () => ({ server: cpuSeconds(running.pid), database: cpuSeconds(bench.databasePid) })
  let before = cpu()
  for await (const line of createInterface({ input: child.stdout })) {
    if (line !== 'ready') return figures(JSON.parse(line) as Result, before, cpu())
    before = cpu()
    child.stdin.write('\n')
  }
  throw new Error(`the generator of load ended without a result`)
}

type Cpu = Record<'server' | 'database', number>

function figures(result: Result, before: Cpu, after: Cpu): Slice {
  const { requests, us, p50, p99, failed, error } = result
  const usOf = (of: keyof Cpu) => (after[of] - before[of]) * 1e6
  return {
    calls: requests,
    serverUs: usOf('server') / requests,
    databaseUs: usOf('database') / requests,
    perSecond: requests / (us / 1e6),
    core: usOf('server') / us,
    p50Ms: p50,
    p99Ms: p99,
    failed,
    error,
  }
}
