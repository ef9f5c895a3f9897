import { attachment } from '../../memory/attachment.ts'
import type { RequestHandler } from './arrival.ts'

type Request = Parameters<RequestHandler>[0]
type Response = Parameters<RequestHandler>[1]

const listenerOf = attachment<Response, () => void>('stream')
const untimed = attachment<Request, boolean>('untimed')

/** Calls back when the handler finds that the exchange of this response is a stream. */
export function onStreaming(response: Response, listener: () => void): void {
  listenerOf.attach(response, listener)
}

/**
 * To be called by a handler whose exchange may last for long. With `timesBody` it bounds the time
 * between the bytes of the request, and the listener no longer bounds that of the whole.
 */
export function becomesStream(
  request: Request,
  response: Response,
  { timesBody }: { timesBody: boolean },
): void {
  if (timesBody) untimed.attach(request, true)
  listenerOf.of(response)?.()
}

/** Whether an error is that a request takes long whose time its handler bounds. */
export function isTimedElsewhere(request: Request | undefined, error: Error): boolean {
  const isLate = 'code' in error && error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
  return isLate && request !== undefined && untimed.of(request) === true
}
