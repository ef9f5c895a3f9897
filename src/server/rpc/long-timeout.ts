import { maxTimerMs, type TimeoutHeader, timeoutMs } from '../../call/timeout.ts'

const maxTimeouts: Partial<Record<TimeoutHeader, string>> = {
  'connect-timeout-ms': `${maxTimerMs}`,
  'grpc-timeout': `${Math.floor(maxTimerMs / 1000)}S`,
}

/**
 * Shortens a timeout of more than 24.8 days to that, before Connect makes a timer of it, which would
 * fire at once. For Connect 2.2.0 and before: a version that bounds its own timer needs it no more.
 */
export function boundTimeout(header: Headers): void {
  const headers = Object.fromEntries(header)
  for (const [name, value] of Object.entries(maxTimeouts)) {
    const ms = timeoutMs(name as TimeoutHeader, headers)
    if (typeof ms === 'number' && ms > maxTimerMs) header.set(name, value)
  }
}
