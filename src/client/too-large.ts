import { Code, type ConnectError } from '@connectrpc/connect'
import { refusal } from '../call/refusal.ts'

/** The error of a call whose headers a node does not take: not sent, or reset by the node. */
export function headersTooLarge(cause: ConnectError): ConnectError {
  const details = { status: 431, cause }
  return refusal(Code.ResourceExhausted, 'HEADERS_TOO_LARGE', 'the headers are too large', details)
}
