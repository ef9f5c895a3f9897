import { bounded } from '../../call/error-bounds.ts'
import { sendError } from '../answer/answer.ts'
import { errorBody, restError } from '../errors.ts'
import type { Framer } from './framer.ts'
import type { StreamedCall } from './opening.ts'
import type { BodyWriter } from './writer.ts'

/**
 * Tells the client of an error: with the status and the body of other errors while nothing has been
 * sent; then by the record of its format; else by breaking the body off.
 */
export async function fail(
  { request, reply, context, observer, sent }: StreamedCall,
  err: unknown,
  { isOpen, error: frame, writer }: Pick<Framer, 'error'> & { isOpen: boolean; writer: BodyWriter },
): Promise<void> {
  // The client has gone, which its exchange tells of.
  if (writer.isClosed()) return
  const error = bounded(restError(err))
  if (!isOpen) return sendError(request, reply, error, { observer, sent, call: context })
  const body = errorBody(error, sent)
  if (frame === undefined) {
    observer?.brokenOff?.(request, error)
    return writer.breakOff()
  }
  observer?.error(request, error, body.code, body.reason)
  void writer.write(frame(body))
  await writer.end()
}
