import { abortable } from './abortable.ts'

/** How exact and how fresh a count is to be. */
export interface TotalOptions {
  /** Up to this many rows each call counts anew. */
  exactUpTo: number
  /** Above it, how old a count may be. */
  maxAgeMs: number
}

// A count is shared by several callers, so no caller's deadline ends it.
const refreshMs = 10_000

/**
 * A count of rows that many callers share: exact while the table is small, and above that at most
 * `maxAgeMs` old and refreshed once for all who ask, because InnoDB counts a table by reading it. `now`
 * is the clock of ages, in milliseconds.
 */
export function sharedTotal(
  count: (signal: AbortSignal) => Promise<number>,
  { exactUpTo, maxAgeMs }: TotalOptions,
  now: () => number = () => performance.now(),
) {
  let known: { total: number; at: number } | undefined
  let refreshing: Promise<number> | undefined

  async function counted(signal: AbortSignal): Promise<number> {
    const at = now()
    const total = await count(signal)
    known = { total, at }
    return total
  }

  function refreshed(): Promise<number> {
    refreshing ??= counted(AbortSignal.timeout(refreshMs)).finally(() => {
      refreshing = undefined
    })
    return refreshing
  }

  /** Fails with the signal's reason when it aborts before there is a count. */
  return async function total(signal: AbortSignal): Promise<number> {
    if (known !== undefined && known.total <= exactUpTo) return counted(signal)
    if (known !== undefined && now() - known.at < maxAgeMs) return known.total
    return orAborted(refreshed(), signal)
  }
}

function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const wait = abortable<T>(signal)
  work.then(wait.resolve, wait.reject)
  return wait.promise
}
