import { AsyncLocalStorage } from 'node:async_hooks'
import { inFlight } from '../../memory/in-flight.ts'
import { type Abortable, abortable } from '../abortable.ts'
import type { Shared } from '../statement-observer.ts'

/** Statements under way at once while calls wait; more would only make each of them smaller. */
const maxRunning = 2

/** A statement that takes longer than this does not keep others from being sent. */
const patienceMs = 25

/** A call that shares a statement with others. */
export interface Sharer<Item, Result> extends Omit<Abortable<Result>, 'promise' | 'giveUp'> {
  readonly item: Item
}

interface Sending<Item, Result> {
  /** How many of those that wait share the next statement. */
  fit: (waiting: number) => number
  /** Serves a call that shares with no other one. */
  alone: (item: Item, signal: AbortSignal) => Promise<Result>
  /**
   * Serves several calls: must resolve or reject each. Those that are left when it fails, fail with it.
   * The signal aborts when all of them have given up.
   */
  together: (
    calls: readonly Sharer<Item, Result>[],
    signal: AbortSignal,
    shared: Shared,
  ) => Promise<void>
  /** See StatementObserver. */
  recorded?: (() => object | undefined) | undefined
}

interface Call<Item, Result> extends Sharer<Item, Result> {
  /** The state that it shares with the other calls of its statement. */
  batch: { left: number; controller: AbortController } | undefined
  /** Of a recorded call: its name, and what runs a function as a part of it. */
  recorded: { name: object; enter: typeof outside } | undefined
}

/** A shared statement that no recorded call waits for is a part of none. */
const outside = AsyncLocalStorage.snapshot()

/**
 * Has calls share statements: those that come while statements are under way go together in the next
 * one. A call that finds none under way goes alone and at once. Each keeps its own signal. A call joins
 * only a statement that has not been sent, so it sees whatever was committed before it came.
 */
export function gathering<Item, Result>(sending: Sending<Item, Result>) {
  const waiting = inFlight<Call<Item, Result>>()
  let running = 0
  let isDue = false
  let timer: NodeJS.Timeout | undefined

  function plan(): void {
    if (isDue || waiting.size === 0) return
    if (running >= maxRunning) {
      timer ??= setTimeout(flush, patienceMs)
      return
    }
    isDue = true
    setImmediate(flush)
  }

  function flush(): void {
    isDue = false
    clearTimeout(timer)
    timer = undefined
    const calls: Call<Item, Result>[] = []
    const count = sending.fit(waiting.size)
    for (let next = waiting.oldest(); next && calls.length < count; next = waiting.oldest()) {
      waiting.remove(next)
      calls.push(next.value)
    }
    if (calls.length > 0) begun(sent(calls, sending))
    plan()
  }

  function begun(work: Promise<unknown>): void {
    running += 1
    work.then(ended, ended)
  }

  function ended(): void {
    running -= 1
    plan()
  }

  function wait(item: Item, signal: AbortSignal): Promise<Result> {
    const { promise, ...result } = abortable<Result>(signal, (givenUp) => {
      waiting.remove(entry)
      if (call.batch === undefined) return
      call.batch.left -= 1
      if (givenUp && call.batch.left === 0) call.batch.controller.abort(signal.reason)
    })
    const name = sending.recorded?.()
    const recorded = name && { name, enter: AsyncLocalStorage.snapshot() }
    const call: Call<Item, Result> = { item, ...result, batch: undefined, recorded }
    const entry = waiting.add(call)
    plan()
    return promise
  }

  /** Fails with the signal's reason when it aborts. */
  return function ask(item: Item, signal: AbortSignal): Promise<Result> {
    if (signal.aborted) return Promise.reject(signal.reason)
    if (running > 0 || isDue) return wait(item, signal)
    const result = sending.alone(item, signal)
    begun(result)
    return result
  }
}

/** Sends a statement for these calls, as a part of the first that is recorded. */
function sent<Item, Result>(
  calls: readonly Call<Item, Result>[],
  { alone, together }: Sending<Item, Result>,
): Promise<void> {
  const batch = { left: calls.length, controller: new AbortController() }
  const { signal } = batch.controller
  for (const call of calls) call.batch = batch
  const recorded = calls.flatMap((call) => call.recorded ?? [])
  const shared = { size: calls.length, calls: recorded.map(({ name }) => name) }
  const enter = recorded[0]?.enter ?? outside
  return enter(async () => {
    const [first, second] = calls
    try {
      if (first && second === undefined) first.resolve(await alone(first.item, signal))
      else await together(calls, signal, shared)
    } catch (err) {
      for (const call of calls) call.reject(err)
    }
  })
}
