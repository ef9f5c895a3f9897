import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import { Code } from '@connectrpc/connect'
import { refusal } from '../../call/refusal.ts'
import type { Exchanges } from '../exchange/exchange.ts'
import { becomesStream } from '../listener/streaming.ts'
import { isForOperators } from './admission.ts'
import { streamsOverloaded } from './refusals.ts'
import type { StreamPlaces } from './stream-places.ts'

type Request = IncomingMessage | Http2ServerRequest
type Response = ServerResponse | Http2ServerResponse

/**
 * Makes the function that a port calls before it serves a stream: the call gives its place among calls
 * back and takes one among streams, for as long as it lasts. That function throws OVERLOADED if there
 * is none. Streams of operators are admitted with their calls. For `timesBody` see becomesStream.
 */
export function streamOpener(
  places: StreamPlaces,
  exchanges: Exchanges,
  options: { timesBody: boolean },
) {
  return function openStream(request: Request, response: Response): void {
    if (hasGone(response)) throw refusal(Code.Canceled, 'CANCELED', 'the client has gone')
    if (!isForOperators(request.url ?? '')) {
      const give = places.take(request.socket.remoteAddress ?? '')
      if (give === undefined) throw streamsOverloaded
      response.once('close', give)
    }
    becomesStream(request, response, options)
    exchanges.streams(request, response)
  }
}

/** Node's response of HTTP/2 does not tell. */
function hasGone(response: Response): boolean {
  return 'stream' in response ? response.stream.destroyed : response.destroyed
}
