import type { Logger } from 'pino'
import type { Exchange, ExchangeObserver } from './exchange.ts'
import { described } from './described.ts'
import { safePath } from './safe-path.ts'
import type { StreamTally } from './stream-tally.ts'
import type { Reason } from '../../call/refusal.ts'

const refusalsTogetherMs = 1000
const loadShed: Reason = 'OVERLOADED'

/**
 * Writes one line for each exchange, early failures included, with the fields of Kratos' logging
 * middleware (operation, code, reason, latency in seconds). A failure of the server is logged as an
 * error with its cause; a mistake of a client or a refusal is not. Calls refused for load share one
 * line per second: the first call with their number in `refused`, since a line costs as much as a
 * refusal. A stream has a line when it begins, too, and at its end what it has carried. `fieldsOf` gives further fields, such as the trace id.
 */
export function accessLog(
  log: Logger,
  fieldsOf: (exchange: Exchange) => object = () => ({}),
): ExchangeObserver {
  let refused: { first: object; count: number } | undefined

  function refusal(exchange: Exchange): void {
    if (refused) {
      refused.count += 1
      return
    }
    refused = { first: facts(exchange), count: 1 }
    setTimeout(() => {
      if (refused) log.warn({ ...refused.first, refused: refused.count }, 'requests refused')
      refused = undefined
    }, refusalsTogetherMs).unref()
  }

  return {
    stream(exchange) {
      const { code: _, reason: __, latency: ___, ...begun } = facts(exchange)
      log.info({ ...fieldsOf(exchange), ...begun }, 'stream')
    },
    end(exchange) {
      const { failure } = exchange
      if (failure?.reason === loadShed) return refusal(exchange)
      const line = { ...fieldsOf(exchange), ...facts(exchange) }
      const failed = line.code >= 500 && failure?.cause !== undefined
      if (failed) log.error({ ...line, err: described(failure.cause) }, 'request failed')
      else log.info(line, 'request')
    },
  }
}

function facts(exchange: Exchange) {
  const { failure, protocol, operation, method, path, durationMs, httpStatus, stream } = exchange
  return {
    kind: 'server',
    protocol,
    operation,
    method,
    path: safePath(path, exchange.route || operation),
    code: failure?.status ?? httpStatus,
    reason: failure?.reason ?? '',
    latency: Math.round(durationMs * 1000) / 1e6,
    ...(stream && carried(stream)),
  }
}

function carried({ received, sent, bytesReceived, bytesSent }: StreamTally) {
  return { messages: { received, sent }, bytes: { received: bytesReceived, sent: bytesSent } }
}
