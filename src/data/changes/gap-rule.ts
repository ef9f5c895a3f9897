interface Placed {
  seq: bigint
}

/**
 * When the rows were asked for, and when they were there. Between the two lies the moment that they show,
 * at an unknown place: a process may stand still, or wait for a connection.
 */
interface ReadTime {
  askedAt: number
  readAt: number
}

/**
 * Decides which rows of a history may be passed on. The database gives a row its number when it is
 * inserted, but shows it when its transaction is committed, so a number that is missing may still come,
 * and whoever reads past it never sees it. Rows wait for it, unless it has been missing for `gapMs`:
 * the numbers of transactions that were rolled back never come. How long that is, is what is sure of it:
 * from the end of the read that saw it first to the beginning of this one.
 */
export function gapRule(gapMs: number) {
  /** For each time at which a higher number was seen than ever before, that number. */
  let seen: { seq: bigint; at: number }[] = []

  /** Whether the number below this one has been given out for so long: numbers are given in order. */
  function isOverdue(seq: bigint, askedAt: number): boolean {
    const first = seen.find((each) => each.seq >= seq)
    return first !== undefined && askedAt - first.at >= gapMs
  }

  /** Of all rows after `last`, by ascending number, the first ones that need not wait. */
  return function settled<Row extends Placed>(
    last: bigint,
    rows: readonly Row[],
    { askedAt, readAt }: ReadTime,
  ): Row[] {
    const newest = rows.at(-1)?.seq
    if (newest !== undefined && newest > (seen.at(-1)?.seq ?? last))
      seen.push({ seq: newest, at: readAt })
    let reached = last
    let count = 0
    for (const { seq } of rows) {
      if (seq !== reached + 1n && !isOverdue(seq, askedAt)) break
      reached = seq
      count += 1
    }
    seen = seen.filter((each) => each.seq > reached)
    return rows.slice(0, count)
  }
}
