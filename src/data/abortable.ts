/** Work whose outcome counts only until it is given up. */
export interface Abortable<T> {
  readonly promise: Promise<T>
  /** Ends it with a value; false, and without effect, where it has ended already. */
  readonly resolve: (value: T) => boolean
  /** As `resolve`, with a failure of the work itself. */
  readonly reject: (err: unknown) => boolean
  /** As `reject`, while the work may still go on. */
  readonly giveUp: (reason: unknown) => boolean
  readonly isOver: () => boolean
}

/**
 * Begins work that is given up, with the signal's reason, when the signal aborts; soon, if it has
 * aborted already. `ended` is told once of the end, in time to clean up before callers learn of it.
 */
export function abortable<T>(
  signal: AbortSignal,
  ended: (givenUp: boolean) => void = () => undefined,
): Abortable<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  const abort = () => giveUp(signal.reason)
  let isOver = false

  function end(givenUp: boolean, settle: () => void): boolean {
    if (isOver) return false
    isOver = true
    signal.removeEventListener('abort', abort)
    ended(givenUp)
    settle()
    return true
  }
  function giveUp(reason: unknown): boolean {
    return end(true, () => reject(reason))
  }

  if (signal.aborted) queueMicrotask(abort)
  else signal.addEventListener('abort', abort, { once: true })
  return {
    promise,
    resolve: (value) => end(false, () => resolve(value)),
    reject: (err) => end(false, () => reject(err)),
    giveUp,
    isOver: () => isOver,
  }
}
