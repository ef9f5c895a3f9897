import type { UnaryCall } from './context.ts'

/**
 * Rejects at the client's deadline even if the method ignores its signal. It does so one turn of
 * the event loop later, so that the error of an interceptor that does the same is used instead.
 */
export function withinDeadline<T>(output: Promise<T>, call: UnaryCall): Promise<T> {
  if (call.deadline === undefined) return output
  const { signal } = call
  const { promise, reject } = Promise.withResolvers<never>()
  const abort = () => setImmediate(() => reject(signal.reason as Error))
  if (signal.aborted) abort()
  else signal.addEventListener('abort', abort, { once: true })
  return Promise.race([promise, output]).finally(() => signal.removeEventListener('abort', abort))
}
