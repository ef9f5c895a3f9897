import { setTimeout as sleep } from 'node:timers/promises'
import { abortable } from './abortable.ts'

/** How exact and how fresh a count is to be, and who is told of what becomes of it. */
export interface TotalOptions {
  /** Up to this many rows each call counts anew. */
  exactUpTo: number
  /** Above it, how old a count may be before a new one is begun. */
  maxAgeMs: number
  /** Ends the count that is under way, and lets no other begin. */
  closing?: AbortSignal
  /** Told why there is no new count; the known one is still given. */
  failed?: (err: unknown) => void
}

/** A count that no caller's deadline ends, because several share it. */
interface Refresh {
  total: Promise<number>
  /** Resolves when the count has ended, either way, or takes too long for callers that know another. */
  awaited: Promise<unknown>
}

/** A table that takes longer to count has no total. */
const maxCountMs = 600_000

/** A small part of a usual deadline: a list must not fail for a better total. */
const patienceMs = 100

/** After a count has failed; callers in between are given the known one. */
const retryMs = 1000

/**
 * A count of rows that many callers share: exact while the table is small, and above that refreshed
 * once for all who ask, because InnoDB counts a table by reading it. A count older than `maxAgeMs` is
 * given only where a new one takes long or fails. `now` is the clock of ages, in milliseconds.
 */
export function sharedTotal(
  count: (signal: AbortSignal) => Promise<number>,
  { exactUpTo, maxAgeMs, closing, failed }: TotalOptions,
  now: () => number = () => performance.now(),
) {
  let known: { total: number; at: number } | undefined
  let refresh: Refresh | undefined
  let failedAt = -Infinity

  async function counted(signal: AbortSignal): Promise<number> {
    const at = now()
    const total = await count(signal)
    known = { total, at }
    return total
  }

  function ended(err?: unknown): void {
    refresh = undefined
    if (err === undefined || known === undefined || closing?.aborted) return
    failedAt = now()
    failed?.(err)
  }

  function begin(): Refresh {
    const total = counted(limited(closing))
    const over = total.then(() => ended(), ended)
    return { total, awaited: Promise.race([over, sleep(patienceMs)]) }
  }

  function isFresh(at: number): boolean {
    return now() - at < maxAgeMs || now() - failedAt < retryMs
  }

  async function refreshed(signal: AbortSignal): Promise<number> {
    const joins = refresh !== undefined
    const { total, awaited } = (refresh ??= begin())
    if (known !== undefined) await orAborted(awaited, signal)
    const given = known?.total ?? (await orAborted(total, signal))
    // It may have begun before a write of this caller, which a small total must not lack.
    return joins && given <= exactUpTo ? counted(signal) : given
  }

  /** Fails with the signal's reason when it aborts before there is a count. */
  return async function total(signal: AbortSignal): Promise<number> {
    if (known === undefined) return refreshed(signal)
    if (known.total <= exactUpTo) return counted(signal)
    return isFresh(known.at) ? known.total : refreshed(signal)
  }
}

function limited(closing: AbortSignal | undefined): AbortSignal {
  const limit = AbortSignal.timeout(maxCountMs)
  return closing ? AbortSignal.any([closing, limit]) : limit
}

function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const wait = abortable<T>(signal)
  work.then(wait.resolve, wait.reject)
  return wait.promise
}
