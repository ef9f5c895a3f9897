import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '@connectrpc/connect'
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node'
import { test, type Test } from 'tap'
import { findProgram } from '../../scripts/program.ts'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { freePort } from '../../scripts/free-port.ts'
import { freshMysqlDatabase } from '../help/db.ts'
import { balancer } from '../help/haproxy.ts'
import { type ServiceProcess, startProcess } from '../help/process.ts'
import type { Backend } from '../help/proxy.ts'
import { until } from '../help/until.ts'

const haproxy = findProgram('haproxy')
const skip = haproxy === undefined ? 'needs haproxy, which Debian has as a package' : false
// On each port; `npm run verify` asks for more than a shared machine of CI can be trusted with.
const everyMs = 1000 / Number(process.env.ROLLOUT_RATE ?? 20)
/** Calls of each load before the next thing happens to an instance. */
const callsBetween = Math.ceil(1500 / everyMs)

/** One way to call: resolves, or rejects with what a client of it would see. */
type Call = () => Promise<unknown>

function restCall(url: string, method: string, path: string, body?: () => string): Call {
  const agent = new http.Agent({ keepAlive: true })
  const { hostname, port } = new URL(url)
  const headers = body ? { 'content-type': 'application/json' } : {}
  return () =>
    new Promise((resolve, reject) => {
      const request = http.request({ hostname, port, agent, method, path, headers }, (response) => {
        const { statusCode } = response
        response.once('error', reject)
        let answer = ''
        response.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk))
        response.once('end', () => {
          if (statusCode === 200) resolve(statusCode)
          else reject(new Error(`${method} ${path}: ${statusCode} ${answer}`))
        })
      })
      request.once('error', reject)
      request.end(body?.())
    })
}

let made = 0
const newUser = () => ({ name: 'Roll', email: `roll-${(made += 1)}@example.org` })

function grpcCalls(t: Test, url: string): [Call, Call] {
  const sessionManager = new Http2SessionManager(url)
  t.teardown(() => sessionManager.abort())
  const client = createClient(User, createGrpcTransport({ baseUrl: url, sessionManager }))
  return [
    () => client.getUser({ id: 1n }, { timeoutMs: 20_000 }),
    () => client.createUser(newUser(), { timeoutMs: 20_000 }),
  ]
}

interface Load {
  calls: number
  inFlight: number
  failures: unknown[]
  /** Ends it and waits for the calls under way. */
  end(): Promise<void>
}

/** So many calls of a load may be under way: on a busy machine more would only wait behind each other. */
const mostInFlight = Math.ceil(500 / everyMs)

/** Begins calls at the rate, or as those before end, if that is slower. */
function load(calls: readonly Call[]): Load {
  const pending = new Set<Promise<void>>()
  const begin = performance.now()
  const state: Load = { calls: 0, inFlight: 0, failures: [], end }
  function one(): void {
    const call = calls[state.calls % calls.length]
    state.calls += 1
    state.inFlight += 1
    const ended = (call?.() ?? Promise.resolve()).then(
      () => undefined,
      (err: unknown) => void state.failures.push(err),
    )
    const settled = ended.finally(() => {
      state.inFlight -= 1
      pending.delete(settled)
    })
    pending.add(settled)
  }
  // A timer that is late makes up for it, so that the rate holds.
  const timer = setInterval(() => {
    const due = (performance.now() - begin) / everyMs
    while (state.calls < due && state.inFlight < mostInFlight) one()
  }, everyMs)
  async function end(): Promise<void> {
    clearInterval(timer)
    await Promise.all(pending)
  }
  return state
}

async function moreCalls(loads: readonly Load[]): Promise<void> {
  const wanted = loads.map(({ calls }) => calls + callsBetween)
  await until('more calls', () => loads.every(({ calls }, i) => calls >= (wanted[i] ?? 0)))
}

/** Two instances on one database behind HAProxy, each able to start again on its ports. */
async function deployment(t: Test) {
  const database = await freshMysqlDatabase(t)
  const backends: Backend[] = []
  for (let i = 0; i < 2; i += 1) backends.push({ http: await freePort(), grpc: await freePort() })
  const run = ({ http: rest, grpc }: Backend) =>
    startProcess(t, {
      DB_DSN: database,
      HTTP_ADDR: `127.0.0.1:${rest}`,
      GRPC_ADDR: `127.0.0.1:${grpc}`,
      // Until HAProxy has asked and knows: each 0.2 s, and later on a busy machine.
      DRAIN_DELAY: '10s',
      // Slow is no failure here.
      TIMEOUT: '10s',
      DB_POOL_WAIT: '5s',
    })
  const instances = await Promise.all(backends.map(run))
  const proxy = await balancer(t, haproxy ?? '', backends)
  await restCall(proxy.rest, 'POST', '/v1/users', () => JSON.stringify(newUser()))()
  const restCalls = [
    restCall(proxy.rest, 'GET', '/v1/users/1'),
    restCall(proxy.rest, 'POST', '/v1/users', () => JSON.stringify(newUser())),
    restCall(proxy.rest, 'GET', '/v1/users?page_size=2'),
  ] as const
  return {
    instances,
    restCalls,
    rpcCalls: grpcCalls(t, proxy.rpc),
    restart: async (i: number) => {
      const backend = backends[i]
      if (backend) instances[i] = await run(backend)
    },
  }
}

/** Each kind of failure once. */
const distinct = (failures: readonly unknown[]) => [...new Set(failures.map(String))]

/** How many calls of users each port of an instance has served. */
function served(instance: ServiceProcess | undefined): Record<string, number> {
  const counts = { rest: 0, grpc: 0 }
  for (const { protocol, operation } of instance?.lines ?? [])
    if (String(operation).includes('User/') && (protocol === 'rest' || protocol === 'grpc'))
      counts[protocol] += 1
  return counts
}

test('a rolling restart under load fails no call, and connections move', { skip }, async (t) => {
  const { instances, restCalls, rpcCalls, restart } = await deployment(t)
  const running = [load(restCalls), load(rpcCalls)]
  await moreCalls(running)
  for (const i of [0, 1]) {
    instances[i]?.kill('SIGTERM')
    t.equal(await instances[i]?.exit, 0, `instance ${i} ends by itself`)
    await restart(i)
    // HAProxy has seen then that it is back.
    await until('calls on it', () => Object.values(served(instances[i])).every((n) => n > 10))
    await moreCalls(running)
  }
  await Promise.all(running.map((each) => each.end()))
  for (const { calls, failures } of running) {
    t.ok(calls > 60, `${calls} calls`)
    t.strictSame(distinct(failures), [])
  }
  for (const [i, instance] of instances.entries()) {
    const { rest, grpc } = served(instance)
    t.ok(Number(rest) > 10, `instance ${i} got ${rest} REST calls after its restart`)
    t.ok(Number(grpc) > 10, `instance ${i} got ${grpc} gRPC calls after its restart`)
  }
})

/** What a client does for calls that may be repeated. */
const repeating =
  (call: Call): Call =>
  async () => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await call()
      } catch (err) {
        if (attempt === 3) throw err
        await sleep(100)
      }
    }
  }

test('an instance that is killed costs what was under way on it', { skip }, async (t) => {
  const { instances, restCalls, rpcCalls } = await deployment(t)
  const plain = [load(restCalls), load(rpcCalls)]
  const idempotent = load([restCalls[0], restCalls[2], rpcCalls[0]].map(repeating))
  await moreCalls([...plain, idempotent])
  const underWay = plain.map(({ inFlight }) => inFlight)
  instances[0]?.kill('SIGKILL')
  await instances[0]?.exit
  await moreCalls([...plain, idempotent])
  await Promise.all([...plain, idempotent].map((each) => each.end()))
  for (const [i, { calls, failures }] of plain.entries()) {
    t.comment(`${failures.length} of ${calls} calls: ${distinct(failures).join()}`)
    // And those that the instance took in before the signal reached it.
    t.ok(failures.length <= (underWay[i] ?? 0) + 5, `${failures.length} calls failed`)
  }
  t.strictSame(distinct(idempotent.failures), [], 'a client that repeats them sees nothing')
})
