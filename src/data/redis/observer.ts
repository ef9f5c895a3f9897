import type { RedisPlace } from './url.ts'

/** One exchange with Redis. */
export interface RedisCall {
  /** What it is for, such as `GetUser`; finitely many. */
  name: string
  /** What it does there, such as `get`; finitely many. */
  operation: string
}

/** Watches what is sent to one Redis, for traces and metrics. */
interface RedisObserver {
  /** Calls `run`, which waits for the answer, and gives what it gives. */
  call<T>(call: RedisCall, run: () => Promise<T>): Promise<T>
}

/** Makes the observer of one Redis. */
export type ObserveRedis = (place: Pick<RedisPlace, 'host' | 'port' | 'db'>) => RedisObserver

/** An observer that does nothing. */
export const unobservedRedis: ObserveRedis = () => ({ call: (_call, run) => run() })

/** Makes one observer of several; undefined if there is none. */
export function observedRedis(...watching: (ObserveRedis | undefined)[]): ObserveRedis | undefined {
  return watching.reduce((one, other) => (one && other ? both(one, other) : (one ?? other)))
}

function both(one: ObserveRedis, other: ObserveRedis): ObserveRedis {
  return function observe(place) {
    const outer = one(place)
    const inner = other(place)
    return { call: (call, run) => outer.call(call, () => inner.call(call, run)) }
  }
}

/**
 * What became of a read of a cache. `absent`: it is known that there is no such record. `shared`: another
 * read of the same record was under way. `skipped`: Redis was not asked, because it is away or because a
 * write has not been told to it yet. `error`: it was asked and gave no answer.
 */
export type CacheResult = 'hit' | 'absent' | 'miss' | 'shared' | 'corrupt' | 'error' | 'skipped'
