// What 1,000 watchers that have nothing to do cost the service in memory, over gRPC, and its other
// calls in latency, and whether each of them is told of a change.
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '@connectrpc/connect'
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node'
import { join } from 'node:path'
import { User, UserEvent_Kind } from '../../src/gen/api/user/v1/user_pb.ts'
import { latencyRatios } from './latency.ts'
import { startService, temporaryFolder } from './service.ts'

const watchers = 1000
/** Streams of one HTTP/2 connection. */
const perConnection = 100
const maxBytesEach = 60_000
/** How much higher the p99 of other calls may be, beyond how far apart two like series are. */
const maxRatio = 1.25
/** Has the service collect its garbage, which is not what a watcher costs, when it is sent SIGUSR2. */
const collecting = `process.on('SIGUSR2', () => gc({ type: 'major', flavor: 'last-resort' }))`
const restMs = 3_000
const told = 'every watcher to be told of a change'
const limitMs = 60_000

/** Resident memory without garbage, as the service's metrics have it. */
async function residentBytes({ metrics, kill }: Service): Promise<number> {
  kill('SIGUSR2')
  await sleep(restMs)
  const text = await (await fetch(`http://${metrics}/metrics`)).text()
  const [, value] = /^process_resident_memory_bytes(?:\{.*?\})? (\S+)$/m.exec(text) ?? []
  if (value === undefined) throw new Error('the metrics have no process_resident_memory_bytes')
  return Number(value)
}

function client(stack: AsyncDisposableStack, baseUrl: string) {
  const sessionManager = new Http2SessionManager(baseUrl)
  stack.defer(() => sessionManager.abort())
  return createClient(User, createGrpcTransport({ baseUrl, sessionManager }))
}

type Service = Awaited<ReturnType<typeof startService>>
type Client = ReturnType<typeof client>

/** Watches; calls back when it has begun, and at each change. */
async function watch(from: Client, signal: AbortSignal, seen: (kind: UserEvent_Kind) => void) {
  try {
    for await (const { kind } of from.watchUsers({ snapshot: true }, { signal })) seen(kind)
  } catch (err) {
    if (!signal.aborted) throw err
  }
}

async function reached(what: string, count: () => number): Promise<void> {
  for (const end = performance.now() + limitMs; count() < watchers; await sleep(50))
    if (performance.now() > end) throw new Error(`waited in vain for ${what}: ${count()}`)
}

/** Gives the figure; fails when a watcher costs too much or is not told. */
export async function idleWatchers(): Promise<string> {
  await using stack = new AsyncDisposableStack()
  const { path } = stack.use(temporaryFolder())
  // With room for the streams beside other calls.
  const env = {
    SQLITE_PATH: join(path, 'watchers.db'),
    DB_POOL_SIZE: `${watchers}`,
    MAX_STREAMS: `${2 * watchers}`,
    MAX_STREAMS_PER_ADDRESS: `${2 * watchers}`,
    NODE_OPTIONS: `--expose-gc --import=data:text/javascript,${encodeURIComponent(collecting)}`,
  }
  const service = stack.use(await startService(env))
  const url = `http://${service.grpc}`
  const own = client(stack, url)
  for (let count = 0; count < 200; count += 1)
    await own.createUser({ name: 'Warm', email: `warm-${count}@example.org` })
  for (let count = 0; count < 200; count += 1) await own.deleteUser({ id: BigInt(count + 1) })
  const before = await residentBytes(service)
  const stop = new AbortController()
  let begun = 0
  let created = 0
  const seen = (kind: UserEvent_Kind) => {
    if (kind === UserEvent_Kind.SYNCED) begun += 1
    if (kind === UserEvent_Kind.CREATED) created += 1
  }
  const running: Promise<void>[] = []
  for (let count = 0; count < watchers / perConnection; count += 1) {
    const shared = client(stack, url)
    for (let each = 0; each < perConnection; each += 1)
      running.push(watch(shared, stop.signal, seen))
  }
  await reached('every watcher to begin', () => begun)
  const each = Math.round(((await residentBytes(service)) - before) / watchers)
  const lone = stack.use(await startService({ SQLITE_PATH: join(path, 'lone.db') }))
  const listed = ({ http }: Service) => `http://${http}/v1/users`
  const { ratio, control } = await latencyRatios(listed(service), listed(lone))
  await own.createUser({ name: 'Told', email: 'told@example.org' })
  await reached(told, () => created)
  stop.abort()
  await Promise.all(running)
  const latency = `p99 of other calls is ${ratio.toFixed(2)} of that without watchers (two like series: ${control.toFixed(2)})`
  if (each > maxBytesEach) throw new Error(`a watcher costs ${each} bytes; ${latency}`)
  if (ratio > maxRatio * control) throw new Error(latency)
  return `a watcher costs ${each} bytes of ${watchers}, and each was told of a change; ${latency}`
}
