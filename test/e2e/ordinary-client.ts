// A program: calls as an ordinary client does, in each protocol, and tells on IPC how it was served. A
// process of its own, because an attack keeps the event loop of its own client busy.
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '@connectrpc/connect'
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'

export interface Served {
  calls: number
  failures: string[]
  p99Ms: number
  slowestMs: number
}

const [, , rest = '', rpc = ''] = process.argv
const pauseMs = 10
const patienceMs = 20_000

const transports = [
  createConnectTransport({ baseUrl: rpc, httpVersion: '1.1' }),
  createGrpcTransport({ baseUrl: rpc }),
  createGrpcWebTransport({ baseUrl: rpc, httpVersion: '1.1' }),
]
const kinds = [
  async () => {
    const response = await fetch(`${rest}/v1/users?page_size=1`, {
      signal: AbortSignal.timeout(patienceMs),
    })
    await response.text()
    if (response.status !== 200) throw new Error(`${response.status}`)
  },
  ...transports.map((transport) => {
    const users = createClient(User, transport)
    return () => users.listUsers({ pageSize: 1 }, { timeoutMs: patienceMs })
  }),
]

let times: number[] = []
let failures: string[] = []

async function calls(call: () => Promise<unknown>): Promise<never> {
  for (;;) {
    const begin = performance.now()
    try {
      await call()
    } catch (err) {
      failures.push(err instanceof Error ? `${err.message}: ${String(err.cause)}` : String(err))
    }
    times.push(performance.now() - begin)
    await sleep(pauseMs)
  }
}

process.on('message', (question) => {
  const sorted = times.toSorted((a, b) => a - b)
  const served: Served = {
    calls: times.length,
    failures,
    p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
    slowestMs: sorted.at(-1) ?? 0,
  }
  if (question === 'served') [times, failures] = [[], []]
  process.send?.(served)
})
process.on('disconnect', () => process.exit())
for (const call of kinds) void calls(call)
