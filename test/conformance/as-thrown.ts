import { ConnectError, type Interceptor } from '@connectrpc/connect'
import { ErrorInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts'

/**
 * Takes the ErrorInfo off again that the service adds to an error of a handler: the suite compares the
 * details with those that it has asked the handler for.
 */
export const asThrown: Interceptor = (next) => async (req) => {
  try {
    const res = await next(req)
    return res.stream ? { ...res, message: streamed(res.message) } : res
  } catch (err) {
    throw stripped(err)
  }
}

async function* streamed<T>(messages: AsyncIterable<T>) {
  try {
    yield* messages
  } catch (err) {
    throw stripped(err)
  }
}

function stripped(err: unknown): unknown {
  if (!(err instanceof ConnectError)) return err
  err.details = err.details.filter(
    (detail) => !('desc' in detail) || detail.desc.typeName !== ErrorInfoSchema.typeName,
  )
  return err
}
