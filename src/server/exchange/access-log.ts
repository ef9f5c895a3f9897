import type { Logger } from 'pino'
import type { Exchange, ExchangeObserver } from './exchange.ts'
import { safePath } from './safe-path.ts'
import type { Reason } from '../../call/refusal.ts'

const refusalsTogetherMs = 1000
const loadShed: Reason = 'OVERLOADED'

/**
 * Writes one line for each exchange: what Kratos' logging middleware records (operation, code,
 * reason, latency in seconds), for early failures too. A failure of ours is an error and has its
 * cause; what a client does wrong, or what it is refused in time, is neither. Calls refused for load
 * share one line a second, which is the first of them and `refused`, their number: a line costs as
 * much as a refusal, and is least wanted then. `fieldsOf` adds what tells the line its trace.
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
  const { failure, protocol, operation, method, path, durationMs, httpStatus } = exchange
  return {
    kind: 'server',
    protocol,
    operation,
    method,
    path: safePath(path, exchange.route || operation),
    code: failure?.status ?? httpStatus,
    reason: failure?.reason ?? '',
    latency: Math.round(durationMs * 1000) / 1e6,
  }
}

/** What the log keeps of an error: not the properties, where drivers put statements and values. */
function described(err: unknown): unknown {
  if (!(err instanceof Error)) return { message: String(err) }
  const { name, message, stack, cause } = err
  return { type: name, message, stack, ...(cause !== undefined && { cause: described(cause) }) }
}
