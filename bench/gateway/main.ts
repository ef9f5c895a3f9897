// What a gateway costs: `npm run bench:gateway`. GetUser over REST, direct and through a gateway in turn.
// CPU of a call at full load (16 callers), then latency at half of the load that each way can take: by when
// a call was due, so that one which waits for another counts as late.
import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { type Caller, type Outcome, storedUsers } from '../overload/caller.ts'
import { restCaller } from '../overload/rest-caller.ts'
import { cpuNs } from '../measure/process-cpu.ts'
import { median, quantile, quartiles } from '../measure/statistics.ts'
import { type Running, startBoth } from './processes.ts'

const rounds = Number(process.argv[2] ?? 20)
const callers = 16
const callsPerRound = 1000
const connections = 64

/** Calls one after another by each of the callers. Gives calls a second. */
async function fullLoad(caller: Caller): Promise<number> {
  let left = callsPerRound
  async function one(): Promise<void> {
    while ((left -= 1) >= 0) await succeeded(caller)
  }
  const begin = performance.now()
  await Promise.all(Array.from({ length: callers }, one))
  return (callsPerRound / (performance.now() - begin)) * 1000
}

/** A second of calls, whatever becomes of them. Gives their milliseconds since they were due. */
async function latencies(caller: Caller, perSecond: number): Promise<number[]> {
  const begin = performance.now()
  const open: Promise<number>[] = []
  for (let call = 0; call < perSecond;) {
    const due = Math.min(perSecond, ((performance.now() - begin) / 1000) * perSecond)
    for (; call < due; call += 1) open.push(since(begin + (call / perSecond) * 1000, caller))
    await sleep(1)
  }
  return Promise.all(open)
}

async function since(due: number, caller: Caller): Promise<number> {
  await succeeded(caller)
  return performance.now() - due
}

async function succeeded(caller: Caller): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<Outcome>()
  // With more connections than calls at once there is a free one soon.
  while (!caller.call(resolve)) await immediate()
  const outcome = await promise
  if (outcome !== 'ok') throw new Error(`a call was ${outcome}`)
}

/** Microseconds of CPU that both processes have spent on a call. */
function cpuSince({ service, gateway }: Record<'service' | 'gateway', Running>) {
  const now = () => ({ service: cpuNs(service.pid), gateway: cpuNs(gateway.pid) })
  const begin = now()
  return () => {
    const end = now()
    const us = (from: number, to: number) => (to - from) / 1000 / callsPerRound
    return {
      service: us(begin.service, end.service),
      gateway: us(begin.gateway, end.gateway),
    }
  }
}

async function seed({ grpc }: Running): Promise<void> {
  const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${grpc}` })
  const users = createClient(User, transport)
  for (let user = 1; user <= storedUsers; user += 1)
    await users.createUser({ name: 'Ann', email: `ann${user}@example.org` })
}

const both = await startBoth()
const open: Caller[] = []
try {
  await seed(both.service)
  const callersBy = {
    direct: await restCaller(both.service.rest, connections),
    gateway: await restCaller(both.gateway.rest, connections),
  }
  const ways = Object.entries(callersBy)
  open.push(...Object.values(callersBy))
  const cpu: Record<string, number[]> = {}
  const perSecond: Record<string, number[]> = {}
  for (let round = -10; round < rounds; round += 1)
    for (const [way, caller] of ways) {
      const spent = cpuSince(both)
      const rate = await fullLoad(caller)
      const { service, gateway } = spent()
      if (round < 0) continue
      ;(perSecond[way] ??= []).push(rate)
      ;(cpu[`${way}: service`] ??= []).push(service)
      ;(cpu[`${way}: gateway`] ??= []).push(gateway)
    }
  for (const [process, all] of Object.entries(cpu))
    console.log(`${process.padEnd(18)} ${quartiles(all, (us) => us.toFixed(0))} µs of CPU a call`)
  for (const [way, all] of Object.entries(perSecond))
    console.log(`${way.padEnd(18)} ${quartiles(all, (rate) => rate.toFixed(0))} calls a second`)
  const half = (way: string) => median(perSecond[way] ?? []) / 2
  const p99: Record<string, number[]> = {}
  for (let round = -2; round < rounds; round += 1)
    for (const [way, caller] of ways) {
      const all = await latencies(caller, half(way))
      if (round >= 0) (p99[way] ??= []).push(quantile(all, 0.99))
    }
  for (const [way, all] of Object.entries(p99))
    console.log(
      `${way.padEnd(18)} ${quartiles(all, (ms) => ms.toFixed(2))} ms, the 99th percentile at ${half(way).toFixed(0)} calls a second`,
    )
  const ratios = (p99.gateway ?? []).map((ms, round) => ms / (p99.direct?.[round] ?? ms))
  console.log(
    `${'ratio of the pairs'.padEnd(18)} ${quartiles(ratios, (ratio) => ratio.toFixed(2))}`,
  )
} finally {
  // They connect again otherwise, when the processes are gone.
  for (const caller of open) caller.close()
  await both.close()
}
process.exit(0)
