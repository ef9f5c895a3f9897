import type { Change, Position } from '../../biz/changes.ts'
import { gapRule } from './gap-rule.ts'
import { news } from './news.ts'
import { changeRing } from './ring.ts'
import { afterAll, type ChangeQueries, type ChangeRow, type UseChanges } from './source.ts'

/** Rows of one read. */
const pageSize = 500

interface HistoryOptions {
  use: UseChanges
  /** See gapRule. */
  gapMs: number
  maxChanges: number
  now: () => number
}

/**
 * The part of a history that is settled: no change will come before its end, where `poll` has read to.
 * The first poll finds where to begin.
 */
export function history({ use, gapMs, maxChanges, now }: HistoryOptions) {
  const settled = gapRule(gapMs)
  const more = news()
  let end: Position = { seq: 0n, at: 0 }
  let ring: ReturnType<typeof changeRing> | undefined
  let isLost = false

  function passOn(rows: readonly ChangeRow[]): void {
    end = rows.at(-1) ?? end
    const changes = changesIn(rows)
    if (changes.length === 0) return
    ring?.push(changes)
    more.tell()
  }

  async function begin(signal: AbortSignal): Promise<void> {
    if (ring !== undefined) return
    const { seq, at } = await use(signal, (changes) => settledEnd(changes, gapMs))
    end = { seq, at }
    ring = changeRing(seq, maxChanges)
  }

  /** Reads what has been committed. Gives whether changes wait for an earlier one. */
  async function poll(signal: AbortSignal): Promise<boolean> {
    await begin(signal)
    for (;;) {
      const askedAt = now()
      const rows = await rowsAfter(use, signal, { from: end, to: afterAll })
      if (rows === undefined) {
        isLost = true
        more.tell()
        return false
      }
      const ready = settled(end.seq, rows, { askedAt, readAt: now() })
      passOn(ready)
      if (ready.length < rows.length) return true
      if (rows.length < pageSize) return false
    }
  }

  return {
    poll,
    end: () => end,
    /** Whether the table is another one than before, as after a failover to a server that lags. */
    isLost: () => isLost,
    /** Whether a position is in the table. */
    knows: async ({ seq, at }: Position, signal: AbortSignal) =>
      (await use(signal, (changes) => changes.between(seq, seq, 1))).some((row) => row.at === at),
    /** See Watch. */
    async after(position: Position, signal: AbortSignal): Promise<readonly Change[] | undefined> {
      for (let from = position; ;) {
        if (isLost || !ring) return undefined
        if (ring.covers(from.seq)) {
          const found = ring.after(from.seq)
          if (found) return found
          await more.wait(signal)
          continue
        }
        const rows = await rowsAfter(use, signal, { from, to: end.seq })
        const changes = rows && changesIn(rows)
        if (changes?.length !== 0) return changes
        from = rows?.at(-1) ?? end
      }
    },
    /** Has everybody who waits fail. */
    giveUp: more.giveUp,
  }
}

function changesIn(rows: readonly ChangeRow[]): Change[] {
  return rows.flatMap(({ kind, ...row }) => (kind === undefined ? [] : [{ ...row, kind }]))
}

/** The first rows after one that must be there; undefined where it is not. */
async function rowsAfter(
  use: UseChanges,
  signal: AbortSignal,
  { from, to }: { from: Position; to: bigint },
): Promise<ChangeRow[] | undefined> {
  const rows = await use(signal, (changes) => changes.between(from.seq, to, pageSize + 1))
  // Before the first row of an empty table there is nothing.
  if (from.seq === 0n) return rows.slice(0, pageSize)
  const [first, ...later] = rows
  return first?.seq === from.seq && first.at === from.at ? later : undefined
}

/**
 * The newest row before which no change is open: it is so old that any number below it has been given
 * out longer ago than a gap is waited for. The oldest row where none is so old.
 */
async function settledEnd(changes: ChangeQueries, gapMs: number): Promise<Position> {
  let oldest: Position = { seq: 0n, at: 0 }
  for (let before = afterAll; ; before = oldest.seq) {
    const rows = await changes.newest(before, pageSize)
    const old = rows.find(({ ageMs }) => ageMs >= gapMs)
    if (old) return old
    oldest = rows.at(-1) ?? oldest
    if (rows.length < pageSize) return oldest
  }
}
