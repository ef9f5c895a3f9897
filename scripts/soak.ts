// `npm run soak -- [--minutes 10] [--rate 200] [--memory 256]`: the image's tree, confined as a
// container
// is, with so many MiB, under a steady load of mixed calls on both ports over MySQL. Prints its
// memory per
// slice of the run, and fails if it grows, dies or answers wrongly. Needs Linux, root and a
// database server
// as the tests do.
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createClient } from '@connectrpc/connect'
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node'
import { createConnection } from 'mysql2/promise'

import { User } from '../src/gen/api/user/v1/user_pb.ts'
import { cannotConfine, cannotLimit, runConfined } from './confined.ts'
import type { Image } from './dockerfile.ts'
import { imageTree } from './image.ts'
import { testDatabase } from './mariadb.ts'

const slices = 10
const workersPerKind = 4
/**
 * The growth of memory from the first third of a run to its end that garbage collection explains.
 */
const allowedGrowth = 1.1
/** The share of calls that may fail because other work on the machine delays the database. */
const allowedRefusals = 0.01
const refusal = /\b503\b|\b504\b|unavailable|deadline_exceeded/

interface Addresses {
  http: string
  grpc: string
}

/**
 * Creates, uses and deletes one user in five calls. Rejects if an answer is not the expected one.
 */
type Life = (email: string) => Promise<void>

function rest(addr: string): Life {
  const [host, port] = addr.split(':')
  const agent = new http.Agent({ keepAlive: true })
  async function call(method: string, path: string, body?: object): Promise<{ id: string }> {
    const headers = { 'content-type': 'application/json' }
    const request = http.request({ host, port, path, method, headers, agent, timeout: 10_000 })
    request.once('timeout', () => request.destroy(new Error('no answer within 10 s')))
    request.end(body && JSON.stringify(body))
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    const text = Buffer.concat(await response.toArray()).toString()
    if (response.statusCode !== 200) throw new Error(`${response.statusCode} ${text}`)
    return JSON.parse(text) as { id: string }
  }
  return async (email) => {
    const { id } = await call('POST', '/v1/users', { name: 'Soak', email })
    await call('GET', `/v1/users/${id}`)
    await call('GET', '/v1/users?page_size=20')
    await call('PATCH', `/v1/users/${id}`, { name: 'Soaked' })
    await call('DELETE', `/v1/users/${id}`)
  }
}

function rpc(transport: ReturnType<typeof createGrpcTransport>): Life {
  const users = createClient(User, transport)
  const options = { timeoutMs: 10_000 }
  return async (email) => {
    const { id } = await users.createUser({ name: 'Soak', email }, options)
    await users.getUser({ id }, options)
    await users.listUsers({ pageSize: 20 }, options)
    await users.updateUser({ id, user: { name: 'Soaked' } }, options)
    await users.deleteUser({ id }, options)
  }
}

const callsPerLife = 5

interface Load {
  rate: number
  signal: AbortSignal
  counts: { calls: number; failures: Map<string, number> }
}

/** Starts calls on a schedule of its own, so that slow answers do not lower the rate. */
async function worker(life: Life, name: string, { rate, signal, counts }: Load): Promise<void> {
  const everyMs = (1000 * callsPerLife) / rate
  let due = performance.now() + Math.random() * everyMs
  for (let turn = 0; !signal.aborted; turn += 1) {
    await sleep(Math.max(0, due - performance.now()))
    due = Math.max(due + everyMs, performance.now() - everyMs)
    try {
      await life(`${name}-${turn}@example.org`)
      counts.calls += callsPerLife
    } catch (err) {
      const reason = String(err)
      counts.failures.set(reason, (counts.failures.get(reason) ?? 0) + 1)
    }
  }
}

async function startService(image: Image, dsn: string, memory: number) {
  const addresses = { HTTP_ADDR: '127.0.0.1:0', GRPC_ADDR: '127.0.0.1:0' }
  // The test measures memory: on a busy machine calls may be late, but must not fail.
  const env = { ...addresses, DB_DSN: dsn, TIMEOUT: '10s' }
  const child = runConfined(image, image.entrypoint, { env, limitBytes: memory * 2 ** 20 })
  const exit = once(child, 'exit')
  child.stderr?.pipe(process.stderr)
  const serving = Promise.withResolvers<Addresses>()
  const begin = performance.now()
  createInterface({ input: child.stdout ?? process.stdin }).on('line', (text) => {
    if (text.includes('"msg":"serving"')) serving.resolve(JSON.parse(text) as Addresses)
  })
  void exit.then(([code, signal]) => serving.reject(new Error(`it ended with ${code ?? signal}`)))
  const served = await serving.promise
  return { child, exit, served, startMs: performance.now() - begin, pid: child.pid ?? 0 }
}

/** The resident memory of a process and its maximum so far, in MiB, from /proc. */
function residentMiB(pid: number): { now: number; most: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const value = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(status)?.[1])
  return { now: value('VmRSS') / 1024, most: value('VmHWM') / 1024 }
}

const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length

interface Options {
  minutes: number
  rate: number
  memory: number
}

async function soak(image: Image, dsn: string, { minutes, rate, memory }: Options) {
  const service = await startService(image, dsn, memory)
  const { http: restAddr, grpc } = service.served
  const baseUrl = `http://${grpc}`
  const kinds: [string, Life][] = [
    ['rest', rest(restAddr)],
    ['grpc', rpc(createGrpcTransport({ baseUrl }))],
    ['connect', rpc(createConnectTransport({ baseUrl, httpVersion: '1.1' }))],
  ]
  console.log(`serving after ${Math.round(service.startMs)} ms with ${memory} MiB; ${rate} calls/s`)
  const stop = new AbortController()
  const counts = { calls: 0, failures: new Map<string, number>() }
  const share = rate / kinds.length / workersPerKind
  const load = { rate: share, signal: stop.signal, counts }
  const workers = kinds.flatMap(([name, life]) =>
    Array.from({ length: workersPerKind }, (_, index) => worker(life, `${name}${index}`, load)),
  )
  const sliceMs = (minutes * 60_000) / slices
  const means: number[] = []
  for (let slice = 1; slice <= slices; slice += 1) {
    const samples: number[] = []
    const before = counts.calls
    for (const end = performance.now() + sliceMs; performance.now() < end;) {
      await sleep(Math.min(1000, sliceMs / 5))
      samples.push(residentMiB(service.pid).now)
    }
    means.push(mean(samples))
    console.log(
      `${((slice * sliceMs) / 60_000).toFixed(1)} min: ${mean(samples).toFixed(1)} MiB resident, ${Math.round(((counts.calls - before) * 1000) / sliceMs)} calls/s`,
    )
  }
  const { most } = residentMiB(service.pid)
  stop.abort()
  await Promise.all(workers)
  service.child.kill('SIGTERM')
  const [code, signal] = (await service.exit) as [number | null, string | null]
  return { means, most, counts, ended: code ?? signal }
}

async function main(): Promise<number> {
  const options = {
    minutes: { type: 'string', default: '10' },
    rate: { type: 'string', default: '200' },
    memory: { type: 'string', default: '256' },
  } as const
  const { values } = parseArgs({ options })
  const unable = cannotConfine() || cannotLimit()
  if (unable !== '') throw new Error(unable)
  const out = mkdtempSync(join(tmpdir(), 'user-service-soak-'))
  try {
    await using database = await testDatabase()
    const name = `soak_${Date.now().toString(36)}`
    const connection = await createConnection(database.dsn)
    await connection.query(`CREATE DATABASE ${name} CHARACTER SET utf8mb4`)
    await connection.end()
    const dsn = new URL(database.dsn)
    dsn.pathname = `/${name}`
    const [minutes, rate, memory] = [values.minutes, values.rate, values.memory].map(Number)
    if (!minutes || !rate || !memory) throw new Error('--minutes, --rate and --memory are numbers')
    return verdict(await soak(imageTree(out), dsn.href, { minutes, rate, memory }))
  } finally {
    rmSync(out, { recursive: true })
  }
}

function verdict({ means, most, counts, ended }: Awaited<ReturnType<typeof soak>>): number {
  const early = mean(means.slice(1, 4))
  const late = mean(means.slice(-3))
  console.log(`${counts.calls} calls, at most ${most.toFixed(1)} MiB resident, ended with ${ended}`)
  console.log(`slices 2 to 4: ${early.toFixed(1)} MiB, last 3: ${late.toFixed(1)} MiB`)
  let failed = ended !== 0
  let refused = 0
  for (const [reason, times] of counts.failures) {
    const isRefusal = refusal.test(reason)
    if (isRefusal) refused += times
    else failed = true
    console.log(`${isRefusal ? 'note' : 'FAIL'} ${times} × ${reason}`)
  }
  const grows = late > early * allowedGrowth
  if (grows) console.log('FAIL memory grows')
  if (refused > counts.calls * allowedRefusals) console.log(`FAIL ${refused} calls were refused`)
  const ok = !failed && !grows && refused <= counts.calls * allowedRefusals
  console.log(ok ? 'ok   it does not grow' : 'FAIL')
  return ok ? 0 : 1
}

try {
  process.exitCode = await main()
} catch (err) {
  console.error(`soak: ${err instanceof Error ? err.message : String(err)}`)
  process.exitCode = 1
}
