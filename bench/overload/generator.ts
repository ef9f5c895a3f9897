// The load generator: a process of its own, so that it can be kept off the core of the service.
import { setTimeout as sleep } from 'node:timers/promises'
import { cpuSeconds, mainThreadMs } from '../measure/process-cpu.ts'
import type { Caller } from './caller.ts'
import { grpcCaller } from './grpc-caller.ts'
import { closedLoop, type Figures, openLoop } from './load.ts'
import { restCaller } from './rest-caller.ts'

export interface Order {
  port: number
  kind: 'rest' | 'grpc'
  connections: number
  /** Header lines of each call of REST. */
  headers?: readonly string[]
  /** The target of each call of REST; left out: a user by its id. */
  target?: string
  /** Calls at a time, or calls per second. */
  load: { concurrency: number } | { rate: number }
  seconds: number
  /** For so long the load comes before it is measured. */
  rampSeconds?: number
  /**
   * Whether the time of arrivals and latencies is what the service has computed, so that it is the same
   * load on a machine that does other things, too. It is for a service that is always busy.
   */
  byServiceTime?: boolean
  /** The process whose CPU time is measured. */
  pid: number
}

export interface Report extends Figures {
  /** Of the service, and of this process: share of the measured time. */
  serverCpu: number
  generatorCpu: number
  seconds: number
}

const defaultRampSeconds = 1

/**
 * What the thread of a process has computed, in ms. A service that is idle computes nothing, and would
 * get no call to be busy with: this clock goes on then.
 */
function computedMs(pid: number): () => number {
  let [before, idleMs] = [mainThreadMs(pid), 0]
  let lookedAt = performance.now()
  return function clock() {
    const [now, at] = [mainThreadMs(pid), performance.now()]
    if (now === before && at - lookedAt >= 1) idleMs += 1
    if (now !== before || at - lookedAt >= 1) [before, lookedAt] = [now, at]
    return now + idleMs
  }
}

async function measured(caller: Caller, order: Order): Promise<Report> {
  const { load, seconds, pid } = order
  const rampMs = (order.rampSeconds ?? defaultRampSeconds) * 1000
  const clock = order.byServiceTime ? computedMs(pid) : undefined
  const begin = performance.now() + rampMs
  const end = begin + seconds * 1000
  const running =
    'rate' in load
      ? openLoop(caller, load.rate, { begin, end, clock })
      : closedLoop(caller, load.concurrency, { begin, end, clock })
  await sleep(rampMs)
  const from = performance.now()
  const serverFrom = cpuSeconds(pid)
  const ownFrom = cpuSeconds(process.pid)
  const figures = await running
  const took = (performance.now() - from) / 1000
  return {
    ...figures,
    serverCpu: (cpuSeconds(pid) - serverFrom) / took,
    generatorCpu: (cpuSeconds(process.pid) - ownFrom) / took,
    seconds,
  }
}

async function obey(order: Order): Promise<void> {
  const { kind, port, connections, headers, target } = order
  const caller = await (kind === 'rest'
    ? restCaller(port, connections, { headers, target })
    : grpcCaller(port, connections))
  process.send?.(await measured(caller, order))
  caller.close()
}

process.on('message', (order: Order) => void obey(order))
