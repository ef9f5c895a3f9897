import type { Logger } from 'pino'
import type { Exchange, ExchangeObserver } from './exchange.ts'
import { safePath } from './path.ts'

/**
 * Writes one line for each exchange: what Kratos' logging middleware records (operation, code,
 * reason, latency in seconds), for early failures too. A failure of ours is an error and has its
 * cause; what a client does wrong, or what it is refused in time, is neither. `fieldsOf` adds what
 * tells the line its trace.
 */
export function accessLog(
  log: Logger,
  fieldsOf: (exchange: Exchange) => object = () => ({}),
): ExchangeObserver {
  return {
    end(exchange) {
      const { failure, protocol, operation, method, path, durationMs, httpStatus } = exchange
      const code = failure?.status ?? httpStatus
      const line = {
        ...fieldsOf(exchange),
        kind: 'server',
        protocol,
        operation,
        method,
        path: safePath(path, exchange.route || operation),
        code,
        reason: failure?.reason ?? '',
        latency: Math.round(durationMs * 1000) / 1e6,
      }
      const failed = code >= 500 && failure?.cause !== undefined
      if (failed) log.error({ ...line, err: described(failure.cause) }, 'request failed')
      else log.info(line, 'request')
    },
  }
}

/** What the log keeps of an error: not the properties, where drivers put statements and values. */
function described(err: unknown): unknown {
  if (!(err instanceof Error)) return { message: String(err) }
  const { name, message, stack, cause } = err
  return { type: name, message, stack, ...(cause !== undefined && { cause: described(cause) }) }
}
