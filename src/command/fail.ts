/** Says in one line, for people and for what collects them, what has ended the program. */
export function failure(err: unknown): string {
  if (!(err instanceof Error)) return `user-service: ${String(err)}\n`
  const because = err.cause instanceof Error ? `: ${err.cause.message}` : ''
  const [message = ''] = err.message.split('\n', 1)
  return `user-service: ${message}${message.endsWith(because) ? '' : because}\n`
}
