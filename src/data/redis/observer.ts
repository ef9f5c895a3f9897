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
