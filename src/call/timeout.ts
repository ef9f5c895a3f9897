import type { IncomingHttpHeaders } from 'node:http'
import { Code, type ConnectError } from '@connectrpc/connect'
import { refusal } from './refusal.ts'

/** The maximum of Node's timers, in milliseconds; a timer of more fires at once. */
export const maxTimerMs = 2 ** 31 - 1

/** The delay of a timer for a deadline, which is by performance.now() and may be over. */
export function timerMs(deadline: number): number {
  return Math.max(0, Math.min(deadline - performance.now(), maxTimerMs))
}

/** A way to say how long the client waits. */
interface Spelling {
  pattern: RegExp
  allowed: string
  /** Reads what the pattern has captured as milliseconds. */
  read: (...captured: string[]) => number
}

const unitMs: Record<string, number> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 }

const spellings = {
  // Google's API clients send seconds.
  'x-server-timeout': {
    pattern: /^(\d{1,10}(?:\.\d{1,9})?)$/,
    allowed: 'seconds, such as 1.5',
    read: (seconds) => Number(seconds) * 1000,
  },
  'connect-timeout-ms': {
    pattern: /^(\d{1,10})$/,
    allowed: 'milliseconds of at most 10 digits',
    read: Number,
  },
  'grpc-timeout': {
    pattern: /^(\d{1,8})([HMSmun])$/,
    allowed: 'at most 8 digits and one of H M S m u n',
    read: (value, unit = '') => Number(value) * (unitMs[unit] ?? 1),
  },
} satisfies Record<string, Spelling>

/** A header by which clients say how long they wait. */
export type TimeoutHeader = keyof typeof spellings

/** The time that one header gives a call: undefined for none, null for one that is not of its form. */
export function timeoutMs(
  name: TimeoutHeader,
  { [name]: text }: IncomingHttpHeaders,
): number | undefined | null {
  if (text === undefined) return undefined
  const { pattern, read }: Spelling = spellings[name]
  const [, ...captured] = pattern.exec(String(text)) ?? []
  return captured.length === 0 ? null : read(...captured)
}

const allHeaders = Object.keys(spellings) as TimeoutHeader[]

/**
 * The time that a client gives a call, in milliseconds: the minimum of its timeout headers and of
 * `maxMs`, undefined if it sent none. Throws INVALID_PARAMETER for a header that is not of its form.
 */
export function clientTimeoutMs(
  headers: IncomingHttpHeaders,
  maxMs = Number.POSITIVE_INFINITY,
): number | undefined {
  let minMs: number | undefined
  for (const name of allHeaders) {
    const ms = timeoutMs(name, headers)
    if (ms === undefined) continue
    if (ms === null) throw malformed(name)
    minMs = Math.min(minMs ?? maxMs, ms)
  }
  return minMs
}

function malformed(name: TimeoutHeader) {
  const rule = `must be ${spellings[name].allowed}`
  return refusal(Code.InvalidArgument, 'INVALID_PARAMETER', `${name} ${rule}`, {
    metadata: { [name]: rule },
  })
}

/** The error of a call that has taken longer than `limit`, such as `300 ms`. */
export function deadlineExceeded(limit: string): ConnectError {
  return refusal(Code.DeadlineExceeded, 'DEADLINE_EXCEEDED', `the call took longer than ${limit}`)
}

/** The error of a call whose client's own deadline has passed. */
export function clientDeadlineExceeded(): ConnectError {
  return deadlineExceeded('its client allows')
}
