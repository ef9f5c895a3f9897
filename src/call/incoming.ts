import { credentialHeaders } from './headers.ts'
import { type TimeoutHeader, timeoutMs } from './timeout.ts'

/** The call that is being served, as far as calls to other services depend on it. */
export interface Incoming {
  readonly header: Headers
  readonly signal: AbortSignal
  /** When it arrived, and when the service itself ends it, on the clock of `performance.now()`. */
  readonly startedAt: number
  readonly limitAt: number | undefined
  /** What of its metadata is passed on; undefined until it is first asked for. */
  forwarded: Readonly<Record<string, string>> | undefined
}

const timeoutHeaders: readonly TimeoutHeader[] = [
  'grpc-timeout',
  'connect-timeout-ms',
  'x-server-timeout',
]

/** When the time of a call is over: the minimum of what its client and the service give it. */
export function deadlineOf({ header, startedAt, limitAt }: Incoming): number | undefined {
  let deadline = limitAt
  for (const name of timeoutHeaders) {
    const text = header.get(name)
    const ms = text === null ? undefined : timeoutMs(name, { [name]: text })
    if (typeof ms === 'number')
      deadline = Math.min(deadline ?? Number.POSITIVE_INFINITY, startedAt + ms)
  }
  return deadline
}

// Kratos' metadata goes from service to service by the first prefix, Kitex' by the second.
const forwardedPrefixes = ['x-md-global-', 'rpc-persist-']

/** The metadata that a call passes on to those that it makes. */
export function forwardedHeaders(incoming: Incoming): Readonly<Record<string, string>> {
  if (incoming.forwarded) return incoming.forwarded
  const forwarded: Record<string, string> = {}
  incoming.header.forEach((value, name) => {
    if (forwardedPrefixes.some((prefix) => name.startsWith(prefix))) forwarded[name] = value
  })
  incoming.forwarded = forwarded
  return forwarded
}

/** The credentials that a call has been sent with, to be sent on with those that it makes. */
export function forwardedCredentials(received: Headers | undefined): Record<string, string> {
  const found: Record<string, string> = {}
  for (const name of credentialHeaders) {
    const value = received?.get(name)
    if (value !== undefined && value !== null) found[name] = value
  }
  return found
}
