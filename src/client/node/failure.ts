import { Code, ConnectError } from '@connectrpc/connect'
import { headersTooLarge } from '../too-large.ts'

/**
 * How a try ended that has failed. `answered`: by an error of the service, or by an answer that breaks
 * the protocol. `unsent`: no node has begun it. `lost`: the connection broke, and the service may have
 * carried it out. `ended`: its caller gave it up, or its time was over.
 */
type Fate = 'answered' | 'unsent' | 'lost' | 'ended'

/** A failed try. */
export interface Failure {
  error: ConnectError
  fate: Fate
}

/** Node's codes for a connection that was not made, or on which the request was not begun. */
const unsentCodes = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'EADDRNOTAVAIL',
  'ERR_HTTP2_GOAWAY_SESSION',
  'ERR_HTTP2_INVALID_SESSION',
  // Of a stream that waited for its connection to open.
  'ERR_HTTP2_STREAM_CANCEL',
])
const lostCodes = new Set([
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ERR_HTTP2_SESSION_ERROR',
  'ERR_HTTP2_ERROR',
  'ERR_HTTP2_INVALID_STREAM',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_PREMATURE_CLOSE',
  'UND_ERR_SOCKET',
])
const unsentSyscalls = new Set(['connect', 'getaddrinfo'])

// Connect 2.2.0 tells these by their texts alone.
const unsentText = /REFUSED_STREAM/
// A server that finds its client too quick ends the connection, with all calls on it.
const lostText =
  /stream closed with error code (?:NGHTTP2_)?(?:CANCEL|ENHANCE_YOUR_CALM)|PING timed out|connection aborted|without any open streams/i

/**
 * Tells what became of a try, and makes the loss of a peer `unavailable`: Connect reports it as
 * `aborted`, `internal`, or `canceled`, the code of a call that its own caller has canceled. `aborted`
 * says whether the caller has.
 */
export function failureOf(err: unknown, aborted: boolean): Failure {
  const error = ConnectError.from(err)
  if (chainOf(error).some(isTooLarge)) return { error: headersTooLarge(error), fate: 'ended' }
  const fate = fateOf(error, aborted)
  if (fate === 'answered' || fate === 'ended' || error.code === Code.Unavailable)
    return { error, fate }
  const lost = new ConnectError(error.rawMessage, Code.Unavailable, undefined, undefined, error)
  return { error: lost, fate }
}

function fateOf(error: ConnectError, aborted: boolean): Fate {
  if (error.isWireError) return 'answered'
  if (aborted || error.code === Code.DeadlineExceeded) return 'ended'
  const chain = chainOf(error)
  if (chain.some(isUnsent)) return 'unsent'
  return chain.some(isLost) ? 'lost' : 'answered'
}

/** Marked by src/http2: a call that it does not send, or that the node has reset, for its headers. */
function isTooLarge(error: Error): boolean {
  return codeOf(error) === 'ERR_HTTP2_HEADERS_TOO_LARGE'
}

/** The error and its causes. */
function chainOf(error: Error): Error[] {
  const chain: Error[] = []
  let each: unknown = error
  while (each instanceof Error && !chain.includes(each)) {
    chain.push(each)
    each = each.cause
  }
  return chain
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : ''
}

function isUnsent(error: Error): boolean {
  const code = codeOf(error)
  if (unsentCodes.has(code) || isOfTls(code)) return true
  if ('syscall' in error && unsentSyscalls.has(String(error.syscall))) return true
  // Every address of a name failed.
  if (error instanceof AggregateError && code === 'ETIMEDOUT') return true
  return unsentText.test(error.message)
}

/**
 * A certificate that one side does not take; the peer may tell it when the handshake is over here. Other
 * errors of a handshake have `syscall: 'connect'`: later ones, such as of a record, may be of calls that
 * have begun.
 */
function isOfTls(code: string): boolean {
  return /^ERR_TLS_|CERT|^UNABLE_TO_|ALERT_(?:UNKNOWN_CA|ACCESS_DENIED)$/.test(code)
}

function isLost(error: Error): boolean {
  const code = codeOf(error)
  return lostCodes.has(code) || code.startsWith('ERR_SSL_') || lostText.test(error.message)
}

/** Whether the node, and not the call, is at fault: as the breaker and the balancer count it. */
export function isNodeFault({ error: { code }, fate }: Failure): boolean {
  if (fate === 'lost' || fate === 'unsent') return true
  return (
    code === Code.Unavailable ||
    code === Code.DeadlineExceeded ||
    code === Code.Internal ||
    code === Code.DataLoss
  )
}
