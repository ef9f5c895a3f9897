import type { Http2Session } from 'node:http2'

interface Entry {
  readonly key: unknown
  readonly value: unknown
  next: Entry | undefined
}

/** What node keeps of a session, under a symbol of its own. */
interface State {
  streams: { readonly size: number }
  pendingStreams: { readonly size: number }
}

/** More than the streams that most sessions have open at once. */
const slots = 64

/** Streams of a session have odd ids or even ones, never both. */
function slotOf(key: unknown): number {
  return typeof key === 'number' ? (key >> 1) % slots : 0
}

/**
 * Replaces the Map and the Set in which node:http2 keeps the streams of a session; to be called before it
 * has any. V8 gives both new tables as streams come and go, in the old space once they are old, and those
 * before them keep what they refer to: two KB of each call stay until the next full collection (ADR 32).
 * Does nothing where node has changed its fields, which are private (ADR 35).
 */
export function keepStreamsLean(session: Http2Session): void {
  const key = Object.getOwnPropertySymbols(session).find((own) => own.description === 'state')
  const state = key && (session as unknown as Record<symbol, Partial<State>>)[key]
  // Node's are a Map and a Set without their prototypes.
  if (state?.streams?.size !== 0 || state.pendingStreams?.size !== 0) return
  state.streams = table()
  state.pendingStreams = table()
}

/** What node uses of a Map and of a Set, in an array that never grows. Each key is set once. */
function table() {
  const chains = Array.from({ length: slots }, (): Entry | undefined => undefined)

  function find(key: unknown): Entry | undefined {
    let entry = chains[slotOf(key)]
    while (entry !== undefined && entry.key !== key) entry = entry.next
    return entry
  }
  function set(key: unknown, value: unknown): void {
    const slot = slotOf(key)
    chains[slot] = { key, value, next: chains[slot] }
    kept.size += 1
  }
  const kept = {
    size: 0,
    get: (key: unknown): unknown => find(key)?.value,
    set,
    add: (value: unknown): void => set(value, value),
    delete(key: unknown): boolean {
      const entry = find(key)
      if (entry === undefined) return false
      const slot = slotOf(key)
      let before = chains[slot]
      if (before === entry) chains[slot] = entry.next
      else {
        while (before?.next !== entry) before = before?.next
        before.next = entry.next
      }
      kept.size -= 1
      return true
    },
    /** Node destroys streams so, which deletes each from here as it is visited. */
    forEach(visit: (value: unknown) => void): void {
      for (const first of chains)
        for (let entry = first; entry !== undefined; entry = entry.next) visit(entry.value)
    },
  }
  return kept
}
