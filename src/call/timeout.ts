import { Code } from '@connectrpc/connect'
import { restRefusal } from '../rest/errors.ts'

/** A way to say how long the client waits; each reads the header's text as milliseconds. */
type Spelling = [
  header: string,
  pattern: RegExp,
  allowed: string,
  read: (parts: string[]) => number,
]

const unitMs: Record<string, number> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 }

const spellings: Spelling[] = [
  // Google's API clients send seconds.
  [
    'x-server-timeout',
    /^(\d{1,10}(?:\.\d{1,9})?)$/,
    'seconds, such as 1.5',
    ([seconds]) => Number(seconds) * 1000,
  ],
  ['connect-timeout-ms', /^(\d{1,10})$/, 'milliseconds of at most 10 digits', ([ms]) => Number(ms)],
  [
    'grpc-timeout',
    /^(\d{1,8})([HMSmun])$/,
    'at most 8 digits and one of H M S m u n',
    ([value, unit = '']) => Number(value) * (unitMs[unit] ?? 1),
  ],
]

/**
 * The time that a client gives a call, in milliseconds: the least of its timeout headers and of
 * `mostMs`, undefined if it sent none. Throws INVALID_PARAMETER for a header that is not of its form.
 */
export function clientTimeoutMs(
  headers: Record<string, string | string[] | undefined>,
  mostMs = Number.POSITIVE_INFINITY,
): number | undefined {
  let least: number | undefined
  if (!spellings.some(([header]) => header in headers)) return undefined
  for (const [header, pattern, allowed, read] of spellings) {
    const text = headers[header]
    if (text === undefined) continue
    const match = pattern.exec(String(text))
    if (match === null)
      throw restRefusal(Code.InvalidArgument, 'INVALID_PARAMETER', `${header} must be ${allowed}`, {
        metadata: { [header]: `must be ${allowed}` },
      })
    const ms = read(match.slice(1))
    least = Math.min(least ?? mostMs, ms)
  }
  return least
}
