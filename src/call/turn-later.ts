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
