import type { Logger } from 'pino'
import type { ExchangeObserver } from './exchange.ts'

/**
 * Writes one line for each exchange: what Kratos' logging middleware records (operation, code,
 * reason, latency in seconds), for early failures too. A failure of ours is an error and has its
 * cause; a client's mistake is neither.
 */
export function accessLog(log: Logger): ExchangeObserver {
  return {
    end(exchange) {
      const { failure, protocol, operation, method, path, durationMs } = exchange
      const code = failure?.status ?? exchange.httpStatus
      const line = {
        kind: 'server',
        protocol,
        operation,
        method,
        path,
        code,
        reason: failure?.reason ?? '',
        latency: Math.round(durationMs * 1000) / 1e6,
      }
      // 501 is what a client gets for asking for something that does not exist.
      if (code >= 500 && code !== 501) log.error({ ...line, err: failure?.cause }, 'request failed')
      else log.info(line, 'request')
    },
  }
}
