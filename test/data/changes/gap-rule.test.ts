import { test } from 'tap'
import { gapRule } from '../../../src/data/changes/gap-rule.ts'

const gapMs = 5000

/** Rows with these numbers. */
function rows(...numbers: number[]) {
  return numbers.map((seq) => ({ seq: BigInt(seq) }))
}

/** What the rule lets pass of these rows, asked for and read at these times. */
function passing(settled: ReturnType<typeof gapRule>) {
  return (last: number, numbers: number[], askedAt: number, readAt = askedAt) =>
    settled(BigInt(last), rows(...numbers), { askedAt, readAt }).map(({ seq }) => Number(seq))
}

test('rows without a gap pass at once', async (t) => {
  const pass = passing(gapRule(gapMs))
  t.strictSame(pass(0, [1, 2, 3], 0), [1, 2, 3])
  t.strictSame(pass(3, [], 1), [])
  t.strictSame(pass(3, [4], 2), [4])
})

test('rows after a gap wait until it is filled, and then pass in order', async (t) => {
  const pass = passing(gapRule(gapMs))
  t.strictSame(pass(0, [1, 3, 4], 0), [1])
  t.strictSame(pass(1, [3, 4, 5], gapMs - 1), [])
  t.strictSame(pass(1, [2, 3, 4, 5], gapMs - 1), [2, 3, 4, 5])
})

test('a gap that stays is given up when it has been seen for so long', async (t) => {
  const pass = passing(gapRule(gapMs))
  t.strictSame(pass(0, [2], 10), [])
  t.strictSame(pass(0, [2, 3], 10 + gapMs), [2, 3])
  t.strictSame(pass(3, [5], 11 + gapMs), [], 'the next one is waited for anew')
})

test('several gaps grow old at once, each from when a higher number was seen', async (t) => {
  const pass = passing(gapRule(gapMs))
  t.strictSame(pass(0, [2, 4], 0), [])
  t.strictSame(pass(0, [2, 4, 6], 1000), [])
  t.strictSame(pass(0, [2, 4, 6], gapMs), [2, 4])
  t.strictSame(pass(4, [6], gapMs + 999), [])
  t.strictSame(pass(4, [6], gapMs + 1000), [6])
})

test('the rest of a gap that is filled in part is as old as it was', async (t) => {
  const pass = passing(gapRule(gapMs))
  t.strictSame(pass(0, [5], 0), [])
  t.strictSame(pass(0, [3, 5], gapMs - 1), [])
  t.strictSame(pass(0, [3, 5], gapMs), [3, 5])
})

test('a read that takes long makes no gap older than it is', async (t) => {
  const pass = passing(gapRule(gapMs))
  t.strictSame(pass(0, [2], 0, gapMs), [], 'seen at the end of the read')
  t.strictSame(pass(0, [2], gapMs), [])
  t.strictSame(pass(0, [2], 2 * gapMs - 1, 3 * gapMs), [], 'as it was before the read')
  t.strictSame(pass(0, [2], 2 * gapMs), [2])
})
