// The load generator: a process of its own, so that it can be kept off the core of the service.
import { setTimeout as sleep } from 'node:timers/promises'
import { cpuSeconds } from '../measure/process-cpu.ts'
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
  /** Calls at a time, or calls per second. */
  load: { concurrency: number } | { rate: number }
  seconds: number
  /** The process whose CPU time is measured. */
  pid: number
}

export interface Report extends Figures {
  /** Of the service, and of this process: share of the measured time. */
  serverCpu: number
  generatorCpu: number
  seconds: number
}

const rampMs = 1000

async function measured(caller: Caller, { load, seconds, pid }: Order): Promise<Report> {
  const begin = performance.now() + rampMs
  const end = begin + seconds * 1000
  const running =
    'rate' in load
      ? openLoop(caller, load.rate, { begin, end })
      : closedLoop(caller, load.concurrency, { begin, end })
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
  const { kind, port, connections, headers } = order
  const caller = await (kind === 'rest'
    ? restCaller(port, connections, headers)
    : grpcCaller(port, connections))
  process.send?.(await measured(caller, order))
  caller.close()
}

process.on('message', (order: Order) => void obey(order))
