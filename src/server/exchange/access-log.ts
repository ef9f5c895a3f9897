import type { Logger } from 'pino'
import type { Exchange, ExchangeObserver } from './exchange.ts'
import { described } from './described.ts'
import { safePath } from './safe-path.ts'
import type { StreamTally } from './stream-tally.ts'
import type { Reason } from '../../call/refusal.ts'

const refusalsTogetherMs = 1000
const loadShed: readonly string[] = ['OVERLOADED', 'RATELIMIT'] satisfies Reason[]

/**
 * Writes one line for each exchange, early failures included, with the fields of Kratos' logging
 * middleware (operation, code, reason, latency in seconds). A failure of the server is logged as an
 * error with its cause; a mistake of a client or a refusal is not. Calls refused for load or a quota share one
 * line per second and reason: the first call with their number in `refused`, since a line costs as much as a
 * refusal. A stream has a line when it begins, too, and at its end what it has carried. `fieldsOf` gives further fields, such as the trace id.
 */
export function accessLog(
  log: Logger,
  fieldsOf?: (exchange: Exchange) => object,
): ExchangeObserver {
  const refused = new Map<string, { count: number }>()

  function refusal(exchange: Exchange, reason: string): void {
    const others = refused.get(reason)
    if (others) {
      others.count += 1
      return
    }
    const [first, these] = [facts(exchange), { count: 1 }]
    refused.set(reason, these)
    setTimeout(() => {
      refused.delete(reason)
      log.warn({ ...first, refused: these.count }, 'requests refused')
    }, refusalsTogetherMs).unref()
  }

  return {
    stream(exchange) {
      const { code: _, reason: __, latency: ___, ...begun } = facts(exchange)
      log.info({ ...fieldsOf?.(exchange), ...begun }, 'stream')
    },
    end(exchange) {
      const { failure } = exchange
      if (failure && loadShed.includes(failure.reason)) return refusal(exchange, failure.reason)
      const line = { ...fieldsOf?.(exchange), ...facts(exchange) }
      // A stream that ends since the process stops is no fault.
      const isFault = line.code >= 500 && line.reason !== 'SHUTTING_DOWN'
      if (isFault && failure?.cause !== undefined)
        log.error({ ...line, err: described(failure.cause) }, 'request failed')
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
