import type { Event } from '../../gen/etcd/rpc_pb.ts'
import { aborted } from '../keep.ts'
import type { EtcdSession } from './connection.ts'

/** A key, or all keys from it up to the end of the range, and the first revision to be told. */
interface WatchedRange {
  key: Uint8Array
  rangeEnd?: Uint8Array
  startRevision: bigint
}

/** The events of the ranges, as they come together, over one stream. Throws when it ends. */
export async function* watchKeys(
  session: EtcdSession,
  ranges: readonly WatchedRange[],
  given: AbortSignal,
): AsyncGenerator<readonly Event[]> {
  // Ends with the stream, so that no listener is left on the signal of a long life.
  const ended = new AbortController()
  const signal = AbortSignal.any([given, ended.signal])
  async function* requests() {
    for (const value of ranges) yield { requestUnion: { case: 'createRequest' as const, value } }
    await aborted(signal)
  }
  try {
    for await (const answer of session.watch.watch(requests(), { signal })) {
      if (answer.compactRevision > 0n)
        throw new Error('etcd has compacted the changes since the list')
      if (answer.canceled) throw new Error(`etcd has ended the watch: ${answer.cancelReason}`)
      if (answer.events.length > 0) yield answer.events
    }
    throw new Error('etcd has ended the stream of changes')
  } finally {
    ended.abort()
  }
}

/** The end of the range of all keys that begin with `prefix`, which ends in a slash. */
export function prefixEnd(prefix: string): Uint8Array {
  const end = Buffer.from(prefix)
  end[end.length - 1] = (end.at(-1) ?? 0) + 1
  return end
}
