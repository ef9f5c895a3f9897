/** Limits of streams, of the whole process; read for each stream. */
export interface StreamLimits {
  maxStreams: number
  /** Streams of clients at one address. */
  maxPerAddress: number
}

/** The streams of both ports. */
export type StreamPlaces = ReturnType<typeof streamPlaces>

/**
 * Places for streams, apart from those of calls: a watcher that waits for news works at nothing, and
 * a few of them would take all places of calls.
 */
export function streamPlaces(limits: StreamLimits) {
  const byAddress = new Map<string, number>()
  let taken = 0

  function leave(address: string): void {
    taken -= 1
    const left = (byAddress.get(address) ?? 1) - 1
    if (left === 0) byAddress.delete(address)
    else byAddress.set(address, left)
  }

  return {
    /** Takes a place for a client at `address`; undefined if there is none, else what gives it back. */
    take(address: string): (() => void) | undefined {
      const there = byAddress.get(address) ?? 0
      if (taken >= limits.maxStreams || there >= limits.maxPerAddress) return undefined
      taken += 1
      byAddress.set(address, there + 1)
      return () => leave(address)
    },
    get taken() {
      return taken
    },
  }
}
