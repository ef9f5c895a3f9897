/**
 * Work whose outcome counts only until it is given up. A class, against the habit: each call of the data
 * layer waits with one or two of them, and functions of their own would be half of what a collection of
 * young objects copies for it.
 */
export class Abortable<T> {
  readonly promise: Promise<T>
  readonly #resolve: (value: T) => void
  readonly #reject: (err: unknown) => void
  readonly #signal: AbortSignal
  readonly #ended: ((givenUp: boolean) => void) | undefined
  readonly #abort = () => void this.giveUp(this.#signal.reason)
  #isOver = false

  /**
   * Gives it up, with the signal's reason, when the signal aborts; soon, if it has aborted already. `ended`
   * is told once of the end, in time to clean up before callers learn of it.
   */
  constructor(signal: AbortSignal, ended?: (givenUp: boolean) => void) {
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    this.promise = promise
    this.#resolve = resolve
    this.#reject = reject
    this.#signal = signal
    this.#ended = ended
    if (signal.aborted) queueMicrotask(this.#abort)
    else signal.addEventListener('abort', this.#abort, { once: true })
  }

  isOver(): boolean {
    return this.#isOver
  }

  /** Ends it with a value; false, and without effect, where it has ended already. */
  resolve(value: T): boolean {
    const isFirst = this.#end(false)
    if (isFirst) this.#resolve(value)
    return isFirst
  }

  /** As `resolve`, with a failure of the work itself. */
  reject(err: unknown): boolean {
    const isFirst = this.#end(false)
    if (isFirst) this.#reject(err)
    return isFirst
  }

  /** As `reject`, while the work may still go on. */
  giveUp(reason: unknown): boolean {
    const isFirst = this.#end(true)
    if (isFirst) this.#reject(reason)
    return isFirst
  }

  #end(givenUp: boolean): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    this.#signal.removeEventListener('abort', this.#abort)
    this.#ended?.(givenUp)
    return true
  }
}
