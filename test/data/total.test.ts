import { test } from 'tap'
import { sharedTotal, type TotalOptions } from '../../src/data/total.ts'
import { until } from '../help/until.ts'

const signal = new AbortController().signal

test('a small table is counted for each call', async (t) => {
  let rows = 3
  const total = sharedTotal(async () => rows, { exactUpTo: 10, maxAgeMs: 60_000 })
  t.equal(await total(signal), 3)
  rows = 4
  t.equal(await total(signal), 4)
})

test('a large table is counted once for all who ask', async (t) => {
  let counts = 0
  const count = async () => 100 + (counts += 1)
  const total = sharedTotal(count, { exactUpTo: 10, maxAgeMs: 60_000 })
  t.strictSame(await Promise.all([total(signal), total(signal), total(signal)]), [101, 101, 101])
  t.equal(await total(signal), 101)
})

test('a large table is counted anew when the count is too old', async (t) => {
  let counts = 0
  const count = async () => 100 + (counts += 1)
  let now = 0
  const total = sharedTotal(count, { exactUpTo: 10, maxAgeMs: 30 }, () => now)
  t.equal(await total(signal), 101)
  now = 29
  t.equal(await total(signal), 101)
  now = 30
  t.equal(await total(signal), 102)
})

test('a caller that gives up leaves the others their count', async (t) => {
  const counted = Promise.withResolvers<number>()
  const total = sharedTotal(() => counted.promise, { exactUpTo: 10, maxAgeMs: 30 })
  const controller = new AbortController()
  const leaves = total(controller.signal)
  const stays = total(signal)
  controller.abort(new Error('gone'))
  await t.rejects(leaves, { message: 'gone' })
  counted.resolve(100)
  t.equal(await stays, 100)
})

test('a count that fails is tried again by the next caller', async (t) => {
  let fail = true
  const count = async () => {
    if (fail) throw new Error('down')
    return 5
  }
  const total = sharedTotal(count, { exactUpTo: 1, maxAgeMs: 30 })
  await t.rejects(total(signal), { message: 'down' })
  fail = false
  t.equal(await total(signal), 5)
})

/** A count whose end is told by hand, and the signals that it was given, in order. */
function countByHand() {
  const begun: { signal: AbortSignal; resolve: (total: number) => void; reject: Reject }[] = []
  function count(limit: AbortSignal): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    limit.addEventListener('abort', () => reject(limit.reason), { once: true })
    begun.push({ signal: limit, resolve, reject })
    return promise
  }
  return { count, begun }
}

type Reject = (reason: Error) => void

/** A total of 100 that is too old, and the count that is to replace it. */
async function outdated(options: Partial<TotalOptions> = {}) {
  const { count, begun } = countByHand()
  const clock = { now: 0 }
  const given = { exactUpTo: 10, maxAgeMs: 30, ...options }
  const total = sharedTotal(count, given, () => clock.now)
  const first = total(signal)
  begun[0]?.resolve(100)
  await first
  clock.now = 30
  return { total, begun, clock }
}

test('a total that is too old is given while the new count takes long', async (t) => {
  const { total, begun, clock } = await outdated()
  t.equal(await total(signal), 100)
  clock.now = 1_000_000
  t.strictSame(await Promise.all([total(signal), total(signal)]), [100, 100])
  t.equal(begun.length, 2, 'one new count is under way')
  begun[1]?.resolve(200)
  await until('the new total', async () => (await total(signal)) === 200)
})

test('a new count that comes soon is waited for', async (t) => {
  const { total, begun } = await outdated()
  const listed = total(signal)
  begun[1]?.resolve(200)
  t.equal(await listed, 200)
})

test('a known total is given when the new count fails, which is told', async (t) => {
  const told: unknown[] = []
  const { total, begun, clock } = await outdated({ failed: (err) => told.push(err) })
  const listed = total(signal)
  const err = new Error('down')
  begun[1]?.reject(err)
  t.equal(await listed, 100)
  t.strictSame(told, [err])
  t.equal(await total(signal), 100)
  t.equal(begun.length, 2, 'it is not tried again at once')
  clock.now += 1000
  const later = total(signal)
  begun[2]?.resolve(200)
  t.equal(await later, 200)
})

test('a first count that all callers gave up is given to those that come later', async (t) => {
  const { count, begun } = countByHand()
  const total = sharedTotal(count, { exactUpTo: 10, maxAgeMs: 60_000 })
  await t.rejects(total(AbortSignal.abort(new Error('gone'))), { message: 'gone' })
  const later = total(signal)
  begun[0]?.resolve(100)
  t.equal(await later, 100)
  t.equal(await total(signal), 100)
  t.equal(begun.length, 1)
})

test('a first count that shows a small table is made anew for those that came while it ran', async (t) => {
  const { count, begun } = countByHand()
  const total = sharedTotal(count, { exactUpTo: 10, maxAgeMs: 60_000 })
  const first = total(signal)
  const writer = total(signal)
  begun[0]?.resolve(3)
  t.equal(await first, 3)
  begun[1]?.resolve(4)
  t.equal(await writer, 4)
})

test('a count that is under way ends at the end of the process', async (t) => {
  const closing = new AbortController()
  const told: unknown[] = []
  const options = { closing: closing.signal, failed: (err: unknown) => told.push(err) }
  const { total, begun } = await outdated(options)
  const listed = total(signal)
  closing.abort()
  t.equal(begun[1]?.signal.aborted, true)
  t.equal(await listed, 100)
  t.strictSame(told, [])
})
