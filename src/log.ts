import pino, { type Logger } from 'pino'
import type { Conf } from './conf/conf.ts'

/** JSON lines on standard output, or lines for people where that is a terminal (`auto`). */
export function createLog({ level, format }: Conf['log'], isTerminal: boolean): Logger {
  const pretty = format === 'pretty' || (format === 'auto' && isTerminal)
  return pino({
    level,
    base: { service: 'user-service' },
    timestamp: pino.stdTimeFunctions.isoTime,
    // Errors come described already; pino would look into their properties.
    serializers: { err: (described: unknown) => described },
    formatters: { level: (label) => ({ level: label }) },
    ...(pretty && {
      transport: { target: 'pino-pretty', options: { ignore: 'service,pid,hostname' } },
    }),
  })
}
