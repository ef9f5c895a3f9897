import { Code, ConnectError } from '@connectrpc/connect'

/** What became of a request whose connection failed. */
interface Loss {
  /** Whether a part of it may have reached the peer, which then may have carried it out. */
  sent: boolean
}

/**
 * The error of a call whose peer is lost: unavailable. Its cause has node's `code`, such as
 * ECONNRESET; if nothing was sent, its `syscall` is `connect` whatever went wrong, so that a caller
 * can tell that the call may be made again.
 */
export function lostPeer(reason: unknown, { sent }: Loss): ConnectError {
  const { message, code } = partsOf(reason)
  const cause = Object.assign(new Error(message, { cause: reason }), {
    code,
    ...(!sent && { syscall: 'connect' }),
  })
  const told = sent ? 'the connection to the peer broke' : 'the peer cannot be reached'
  return new ConnectError(`${told}: ${message}`, Code.Unavailable, undefined, undefined, cause)
}

function partsOf(reason: unknown): { message: string; code: string } {
  if (!(reason instanceof Error)) return { message: String(reason), code: 'ECONNRESET' }
  const code = 'code' in reason && typeof reason.code === 'string' ? reason.code : 'ECONNRESET'
  // An AggregateError of several addresses has no message of its own.
  return { message: reason.message || code, code }
}

/** Whether node's parser has found that the peer does not answer in HTTP/1.1. */
function isNotHttp(reason: unknown): boolean {
  return partsOf(reason).code.startsWith('HPE_')
}

/**
 * As lostPeer, but internal for a peer that answers in another protocol, which no retry mends. A
 * ConnectError is the caller's own, whose stream of requests failed, and stays as it is.
 */
export function connectionError(reason: unknown, loss: Loss): ConnectError {
  if (reason instanceof ConnectError) return reason
  if (!isNotHttp(reason)) return lostPeer(reason, loss)
  const { message, code } = partsOf(reason)
  const told = `the peer does not answer in HTTP/1.1 (${code}): ${message}`
  return new ConnectError(told, Code.Internal, undefined, undefined, reason)
}
