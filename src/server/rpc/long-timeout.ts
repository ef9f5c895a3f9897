import { type TimeoutHeader, timeoutMs } from '../../call/timeout.ts'

// A timer of more fires at once.
const longestTimerMs = 2 ** 31 - 1

const longest: Partial<Record<TimeoutHeader, string>> = {
  'connect-timeout-ms': `${longestTimerMs}`,
  'grpc-timeout': `${Math.floor(longestTimerMs / 1000)}S`,
}

/**
 * Shortens a timeout of more than 24.8 days to that, before Connect makes a timer of it, which would
 * fire at once. For Connect 2.2.0 and before: a version that bounds its own timer needs it no more.
 */
export function boundTimeout(header: Headers): void {
  const headers = Object.fromEntries(header)
  for (const [name, value] of Object.entries(longest)) {
    const ms = timeoutMs(name as TimeoutHeader, headers)
    if (typeof ms === 'number' && ms > longestTimerMs) header.set(name, value)
  }
}
