import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { type RunningApp, startApp } from '../../help/app.ts'
import { samplesOf, sum } from '../../help/exposition.ts'
import { type Call, clients, type Counted, lateCalls, mixedCalls } from './mix.ts'
import { until } from '../../help/until.ts'

const atOnce = 24

type Tally = Record<string, number>

const keyOf = ({ kind, operation, code, reason }: Counted) =>
  [kind, operation, code, reason].join(' ')

/** Makes so many calls, the kinds in turn, and counts what it has made. */
export async function run(calls: readonly Call[], total: number, tally: Tally): Promise<void> {
  let next = 0
  async function work(): Promise<void> {
    while (next < total) {
      const index = next
      next += 1
      const call = calls[index % calls.length]
      if (call === undefined) throw new Error('there are no calls')
      await call.make(index)
      tally[keyOf(call.counted)] = (tally[keyOf(call.counted)] ?? 0) + 1
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
}

/** While all connections to the database are taken, no call gets an answer from it. */
export async function withoutDatabase(
  { db }: RunningApp,
  connections: number,
  work: () => Promise<unknown>,
): Promise<void> {
  const free = Promise.withResolvers<void>()
  const { signal } = new AbortController()
  const held = Array.from({ length: connections }, () => db.use(signal, () => free.promise))
  try {
    await work()
  } finally {
    free.resolve()
    await Promise.all(held)
  }
}

async function counted(app: RunningApp): Promise<Tally> {
  const samples = await samplesOf(app.metrics, 'server_requests_code_total')
  return Object.fromEntries(
    samples.map(({ labels, value }) => {
      const { kind = '', operation = '', code = '', reason = '' } = labels
      return [keyOf({ kind, operation, code: Number(code), reason }), value]
    }),
  )
}

const totalOf = (tally: Tally) => Object.values(tally).reduce((total, count) => total + count, 0)

const streamsOf = (tally: Tally) =>
  totalOf(
    Object.fromEntries(
      Object.entries(tally).filter(([key]) => /Watch|ServerReflectionInfo/.test(key)),
    ),
  )

/** An exchange ends when its last byte is out, which may be after its client has it. */
async function settled(app: RunningApp, total: number): Promise<Tally> {
  await until('each call to be counted', async () => totalOf(await counted(app)) >= total)
  // Whatever is counted twice comes now.
  await sleep(200)
  return counted(app)
}

export const noSpans = {
  export: (_spans: unknown, done: (result: { code: number }) => void) => done({ code: 0 }),
  shutdown: async () => undefined,
}

/** Compares so many calls, as their client has counted them, with the counters. */
export async function sumsEqual(t: Test, ratio: number, calls: number): Promise<void> {
  const late = Math.floor(calls / 20)
  const mixed = calls - late
  const app = await startApp(t, {
    storage: 'sqlite',
    measured: true,
    spans: noSpans,
    maxBodyBytes: 1024,
    configure: (conf) => {
      conf.tracing.sampling.ratio = ratio
    },
  })
  const all = clients(t, app)
  const tally: Tally = {}
  const body = JSON.stringify({ name: 'Ada', email: 'ada@example.com' })
  const headers = { 'content-type': 'application/json' }
  await fetch(`${app.rest.url}/v1/users`, { method: 'POST', headers, body })
  tally[keyOf({ kind: 'http', operation: '/api.user.v1.User/CreateUser', code: 200, reason: '' })] =
    1

  await run(mixedCalls(all), mixed, tally)
  await withoutDatabase(app, 1, () => run(lateCalls(all), late, tally))

  const total = totalOf(tally)
  t.equal(total, mixed + late + 1)
  t.strictSame(await settled(app, total), tally, 'by kind, operation, code and reason')
  const streamed = streamsOf(tally)
  const seconds = await samplesOf(app.metrics, 'server_requests_seconds_count')
  t.equal(sum(seconds), total - streamed, 'each but streams is in the histogram of Kratos')
  const http = await samplesOf(app.metrics, 'http_server_request_duration_seconds_count')
  t.equal(sum(http), total - streamed, 'each but streams is in the histogram of OpenTelemetry')
  const open = await samplesOf(app.metrics, 'server_streams_active')
  t.equal(sum(open), 0, 'no stream is open')
  const active = await samplesOf(app.metrics, 'http_server_active_requests')
  t.equal(sum(active), 0, 'none is open')
  const lines = app.log().filter(({ msg }) => msg === 'request' || msg === 'request failed')
  t.equal(lines.length, total, 'each has its line in the log')
  const begun = app.log().filter(({ msg }) => msg === 'stream')
  t.equal(begun.length, streamed, 'each stream has one more')
}
