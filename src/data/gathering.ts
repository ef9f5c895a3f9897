import { AsyncLocalStorage } from 'node:async_hooks'
import { inFlight } from '../memory/in-flight.ts'
import { type Abortable, abortable } from './abortable.ts'
import type { Shared } from './statement-observer.ts'

/** Statements under way at once while calls wait; more would only make each of them smaller. */
const maxRunning = 2

/** A statement that takes longer than this does not keep others from being sent. */
const patienceMs = 25

/** A call that shares a statement with others. */
export interface Sharer<Item, Result> extends Pick<
  Abortable<Result>,
  'resolve' | 'reject' | 'isOver'
> {
  readonly item: Item
}

interface Sending<Item, Result> {
  /** Maximum number of calls that share a statement. */
  max: number
  /** How many of those that wait go together; all where it is not given. */
  fit?: (waiting: number) => number
  /** Serves a call that shares with no other one. */
  alone: (item: Item, signal: AbortSignal) => Promise<Result>
  /**
   * Serves several calls: resolves or rejects each. Those that are left when it fails, fail with it.
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

type Enter = <T>(run: () => T) => T

interface Call<Item, Result> extends Sharer<Item, Result> {
  batch: Batch | undefined
  /** Of a recorded call: its name, and what runs a function as a part of it. */
  recorded: { name: object; enter: Enter } | undefined
}

/** What the calls of one statement have in common. */
interface Batch {
  /** How many of them have not ended. */
  left: number
  controller: AbortController
}

/** A shared statement that no recorded call waits for is a part of none. */
const outside: Enter = AsyncLocalStorage.snapshot()

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
    const waitingNow = Math.min(waiting.size, sending.max)
    const count = sending.fit?.(waitingNow) ?? waitingNow
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
    const result = abortable<Result>(signal, (givenUp) => {
      waiting.remove(entry)
      leave(call.batch, givenUp ? signal : undefined)
    })
    const { resolve, reject, isOver } = result
    const recorded = named(sending.recorded?.())
    const call: Call<Item, Result> = { item, resolve, reject, isOver, batch: undefined, recorded }
    const entry = waiting.add(call)
    plan()
    return result.promise
  }

  /** Fails with the signal's reason when it aborts. */
  return async function ask(item: Item, signal: AbortSignal): Promise<Result> {
    signal.throwIfAborted()
    if (running > 0 || isDue) return wait(item, signal)
    const result = sending.alone(item, signal)
    begun(result)
    return result
  }
}

function named(name: object | undefined): Call<unknown, unknown>['recorded'] {
  return name && { name, enter: AsyncLocalStorage.snapshot() }
}

/** A call has ended; the last one ends its statement where it gives up. */
function leave(batch: Batch | undefined, givenUp: AbortSignal | undefined): void {
  if (batch === undefined) return
  batch.left -= 1
  if (batch.left === 0 && givenUp) batch.controller.abort(givenUp.reason)
}

/** Sends a statement for these calls, as a part of the first that is recorded. */
function sent<Item, Result>(
  calls: Call<Item, Result>[],
  sending: Sending<Item, Result>,
): Promise<void> {
  const batch = { left: calls.length, controller: new AbortController() }
  for (const call of calls) call.batch = batch
  const recorded = calls.flatMap((call) => call.recorded ?? [])
  const shared = { size: calls.length, calls: recorded.map(({ name }) => name) }
  return (recorded[0]?.enter ?? outside)(() =>
    serve(calls, sending, batch.controller.signal, shared),
  )
}

async function serve<Item, Result>(
  calls: Call<Item, Result>[],
  { alone, together }: Sending<Item, Result>,
  signal: AbortSignal,
  shared: Shared,
): Promise<void> {
  const [first, second] = calls
  try {
    if (first && second === undefined) first.resolve(await alone(first.item, signal))
    else await together(calls, signal, shared)
  } catch (err) {
    for (const call of calls) call.reject(err)
  }
}
