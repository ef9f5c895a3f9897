import type { Change } from '../../biz/changes.ts'

/**
 * The latest changes, in the batches in which they were read, for readers that each know their place:
 * a reader costs no queue of its own. Drops the oldest batches beyond `maxChanges`.
 */
export function changeRing(start: bigint, maxChanges: number) {
  const batches: (readonly Change[])[] = []
  let size = 0
  let base = start

  return {
    push(batch: readonly Change[]): void {
      batches.push(batch)
      size += batch.length
      while (size > maxChanges && batches.length > 1) {
        const [oldest] = batches.splice(0, 1)
        size -= oldest?.length ?? 0
        base = oldest?.at(-1)?.seq ?? base
      }
    },
    /** Whether every change after a place is here. */
    covers: (seq: bigint) => seq >= base,
    /**
     * The first changes after a place: the whole batch where the place is before it, so that readers
     * that keep up have the same array. Undefined if there are none yet.
     */
    after(seq: bigint): readonly Change[] | undefined {
      // From the newest, since most readers keep up.
      const next = batches.findLastIndex((batch) => (batch.at(-1)?.seq ?? 0n) <= seq) + 1
      const batch = batches[next]
      if (batch === undefined || (batch[0]?.seq ?? 0n) > seq) return batch
      return batch.filter((change) => change.seq > seq)
    },
  }
}
