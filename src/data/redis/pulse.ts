interface PulseOptions {
  /** Between a silence and the next try. */
  pauseMs: number
  /** Asks for a sign of life; fails without one. */
  ping: () => Promise<void>
  /** Told of each new problem, and told '' when there is none any more. */
  changed: (problem: string) => void
}

/**
 * Knows whether a server is worth asking. After a silence only this asks, so that no call waits for a
 * server that is silent.
 */
export function pulse({ pauseMs, ping, changed }: PulseOptions) {
  let problem: string | undefined = 'the connection is not made yet'
  /** The problems that were told since all was well. */
  const told = new Set<string>()
  let isConnected = false
  let timer: NodeJS.Timeout | undefined

  function tell(next: string): void {
    problem = next === '' ? undefined : next
    if (next === '' ? told.size === 0 : told.has(next)) return
    if (next === '') told.clear()
    else told.add(next)
    changed(next)
  }

  function askLater(): void {
    clearTimeout(timer)
    timer = setTimeout(() => void ask(), pauseMs).unref()
  }

  async function ask(): Promise<void> {
    try {
      await ping()
      if (isConnected) tell('')
    } catch (err) {
      if (!isConnected) return
      if (told.size === 0) tell((err as Error).message)
      askLater()
    }
  }

  return {
    isUsable: () => problem === undefined,
    problem: () => problem ?? '',
    /** There is a connection; it is used when it has answered. */
    connected(): void {
      isConnected = true
      void ask()
    },
    lost(reason: string): void {
      clearTimeout(timer)
      // Why a connection could not be made says more than that there is none.
      if (isConnected || told.size === 0 || reason !== closed) tell(reason)
      isConnected = false
    },
    silent(reason: string): void {
      if (!isConnected || problem !== undefined) return
      tell(reason)
      askLater()
    },
    stop(): void {
      clearTimeout(timer)
      isConnected = false
      problem = closed
      changed = () => undefined
    },
  }
}

/** The reason of a loss where no other is known. */
export const closed = 'the connection is closed'
