/**
 * The same messages, until the signal aborts: then the reader gets the reason of the signal at once,
 * even while it waits for a message, and the source is left by its `return`. A source that waits for
 * something else than the signal goes on to wait, but nobody waits for it.
 */
export function stoppable<T>(messages: AsyncIterable<T>, signal: AbortSignal): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]: () => stoppableIterator(messages[Symbol.asyncIterator](), signal),
  }
}

function stoppableIterator<T>(source: AsyncIterator<T>, signal: AbortSignal): AsyncIterator<T> {
  let reject: ((reason: unknown) => void) | undefined
  let isOver = false

  function end(): void {
    isOver = true
    signal.removeEventListener('abort', stop)
  }
  function stop(): void {
    if (isOver) return
    end()
    reject?.(signal.reason)
    source.return?.().catch(() => undefined)
  }
  signal.addEventListener('abort', stop, { once: true })

  return {
    async next() {
      if (signal.aborted) {
        stop()
        throw signal.reason as Error
      }
      const turn = Promise.withResolvers<IteratorResult<T>>()
      reject = turn.reject
      source.next().then(turn.resolve, turn.reject)
      const result = await turn.promise.catch((err: unknown) => {
        end()
        throw err
      })
      if (result.done === true) end()
      return result
    },
    async return(value) {
      const left = isOver
      end()
      return (left ? undefined : await source.return?.(value)) ?? { done: true, value }
    },
  }
}

/**
 * A signal that aborts one turn of the event loop after another, with its reason. What the other wakes
 * can then end by itself first, with an error that says more.
 */
export function turnLater(signal: AbortSignal): AbortSignal {
  const controller = new AbortController()
  const abort = () => setImmediate(() => controller.abort(signal.reason))
  if (signal.aborted) abort()
  else signal.addEventListener('abort', abort, { once: true })
  return controller.signal
}
