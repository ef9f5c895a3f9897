import { test } from 'tap'
import { sharedTotal } from '../../src/data/total.ts'

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
