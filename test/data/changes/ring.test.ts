import { test } from 'tap'
import type { Change } from '../../../src/biz/changes.ts'
import { changeRing } from '../../../src/data/changes/ring.ts'

function batch(...numbers: number[]): Change[] {
  return numbers.map((seq) => ({ seq: BigInt(seq), at: 0, id: 1n, kind: 'updated' }))
}

test('readers that keep up have the same array, and others the rest of theirs', async (t) => {
  const ring = changeRing(10n, 100)
  const [first, second] = [batch(11, 13), batch(14, 15, 20)]
  t.equal(ring.after(10n), undefined)
  ring.push(first)
  ring.push(second)
  t.equal(ring.after(10n), first)
  t.equal(ring.after(13n), second)
  t.strictSame(ring.after(11n), batch(13))
  t.strictSame(ring.after(15n), batch(20))
  t.equal(ring.after(20n), undefined)
  t.equal(ring.after(99n), undefined, 'a place that another process has read to')
})

test('the oldest batches go, and whoever needs them is not served from here', async (t) => {
  const ring = changeRing(0n, 4)
  for (const numbers of [[1, 2], [3], [4, 5], [6]]) ring.push(batch(...numbers))
  t.notOk(ring.covers(0n))
  t.notOk(ring.covers(1n))
  t.ok(ring.covers(2n), 'the batch of 3 is still here')
  t.strictSame(ring.after(2n), batch(3))
  ring.push(batch(7, 8, 9, 10, 11, 12))
  t.strictSame(ring.after(6n), batch(7, 8, 9, 10, 11, 12), 'a batch larger than the ring')
  t.notOk(ring.covers(5n))
})
