import { Code, type ConnectError } from '@connectrpc/connect'
import { refusal } from '../call/refusal.ts'

/** The error of a call that is not sent, since nodes take no headers of its size. */
export function headersTooLarge(cause: ConnectError): ConnectError {
  const details = { status: 431, cause }
  return refusal(Code.ResourceExhausted, 'HEADERS_TOO_LARGE', 'the headers are too large', details)
}
