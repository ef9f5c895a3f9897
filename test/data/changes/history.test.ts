import { test } from 'tap'
import { history } from '../../../src/data/changes/history.ts'
import type { ChangeQueries, ChangeRow, UseChanges } from '../../../src/data/changes/source.ts'

const gapMs = 5000
const { signal } = new AbortController()

const row = (seq: bigint): ChangeRow => ({ seq, at: 0, id: seq, kind: 'updated' })

/** A history whose rows are those of `table`; a read waits `waitMs` before them, and `standMs` after. */
function subject() {
  const state = { now: 0, table: [row(1n)], waitMs: 0, standMs: 0 }
  const queries: Partial<ChangeQueries> = {
    between: async (first) => state.table.filter(({ seq }) => seq >= first),
    newest: async () => state.table.map((each) => ({ ...each, ageMs: gapMs })).toReversed(),
  }
  const use: UseChanges = async (_signal, work) => {
    state.now += state.waitMs
    const result = await work(queries as ChangeQueries)
    state.now += state.standMs
    return result
  }
  const past = history({ use, gapMs, maxChanges: 100, now: () => state.now })
  const polled = async () => {
    await past.poll(signal)
    return past.end().seq
  }
  return { state, past, polled }
}

test('a process that stands still while it reads passes over no change', async (t) => {
  const { state, past, polled } = subject()
  t.equal(await polled(), 1n)
  state.table = [row(1n), row(3n)]
  t.equal(await polled(), 1n, 'the change before is awaited')
  state.now += 700
  state.standMs = gapMs
  t.equal(await polled(), 1n, 'what was read is as old as the read')
  state.standMs = 0
  // It was committed while the process stood still.
  state.table = [row(1n), row(2n), row(3n)]
  t.equal(await polled(), 3n)
  t.strictSame(await past.after({ seq: 1n, at: 0 }, signal), [row(2n), row(3n)])
})

test('a wait for a connection makes no gap older than it is', async (t) => {
  const { state, polled } = subject()
  t.equal(await polled(), 1n)
  state.table = [row(1n), row(3n)]
  state.waitMs = gapMs
  t.equal(await polled(), 1n)
  state.waitMs = 0
  t.equal(await polled(), 1n)
  state.now += gapMs
  t.equal(await polled(), 3n, 'until it has been missing for so long')
})
