import { AsyncLocalStorage } from 'node:async_hooks'
import type { Interceptor } from '@connectrpc/connect'
import type { Incoming } from '../../call/incoming.ts'
import { operationOf } from '../../call/methods.ts'
import { exchangeKey } from '../exchange/exchange.ts'
import type { Deadlines } from './deadline.ts'

/**
 * An interceptor after which `current` gives the call that the running code serves, for clients that
 * pass its deadline and its metadata on.
 */
export function incomingCalls(limits: Deadlines) {
  const calls = new AsyncLocalStorage<Incoming>()

  const interceptor: Interceptor = (next) =>
    function incoming(req) {
      const now = performance.now()
      const limitMs = req.stream
        ? undefined
        : (limits.byOperation.get(operationOf(req.method)) ?? limits.defaultMs)
      const call: Incoming = {
        header: req.header,
        signal: req.signal,
        startedAt: req.contextValues.get(exchangeKey)?.startedAt ?? now,
        limitAt: limitMs === undefined ? undefined : now + limitMs,
        forwarded: undefined,
      }
      const answer = calls.run(call, next, req)
      if (!req.stream) return answer
      return answer.then((res) =>
        res.stream ? { ...res, message: within(calls, call, res.message) } : res,
      )
    }

  return { interceptor, current: () => calls.getStore() }
}

/** The same messages; the generator behind them runs as part of the call, whatever reads from it. */
function within<T>(calls: AsyncLocalStorage<Incoming>, call: Incoming, messages: AsyncIterable<T>) {
  const iterator = calls.run(call, () => messages[Symbol.asyncIterator]())
  const iterable: AsyncIterableIterator<T> = {
    next: () => calls.run(call, () => iterator.next()),
    return: async (value?: unknown) =>
      (await calls.run(call, () => iterator.return?.(value))) ?? { done: true, value },
    [Symbol.asyncIterator]: () => iterable,
  }
  return iterable
}
