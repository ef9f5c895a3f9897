import { Code, type Interceptor } from '@connectrpc/connect'
import { refusal } from '../../call/refusal.ts'
import { toConnectError } from './connect-error.ts'
import { failureOf } from '../exchange/failure.ts'
import { type Exchange, exchangeKey, isAbandoned } from '../exchange/exchange.ts'

/**
 * Maps every error of a call to the ConnectError that the client gets, and records it on the
 * exchange. A call that its client cancels over HTTP/2 in the middle of the body is not carried
 * out, since the part that has arrived looks like a whole body.
 */
export const errors: Interceptor = (next) =>
  async function errors(req) {
    const exchange = req.contextValues.get(exchangeKey)
    if (exchange !== undefined) exchange.intercepted = true
    try {
      if (exchange && isAbandoned(exchange))
        throw refusal(Code.Canceled, 'CANCELED', 'the client has gone')
      const res = await next(req)
      return res.stream ? { ...res, message: guarded(res.message, exchange) } : res
    } catch (err) {
      throw reported(err, exchange)
    }
  }

async function* guarded<T>(messages: AsyncIterable<T>, exchange: Exchange | undefined) {
  try {
    yield* messages
  } catch (err) {
    throw reported(err, exchange)
  }
}

function reported(err: unknown, exchange: Exchange | undefined) {
  const connectError = toConnectError(err)
  if (exchange !== undefined) exchange.failure = failureOf(connectError)
  return connectError
}
