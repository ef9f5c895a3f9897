import { EventEmitter } from 'node:events'
import pino, { type Logger } from 'pino'
import type { Conf } from './conf/conf.ts'
import { redacted } from './redact.ts'

export interface LogContext {
  version: string
  /** What every line gets at the time when it is written, such as its trace. */
  fields?: () => object
}

/** JSON lines on standard output, or lines for people where that is a terminal (`auto`). */
export function createLog(
  { level, format }: Pick<Conf['log'], 'level' | 'format'>,
  isTerminal: boolean,
  { version, fields }: LogContext,
): Logger {
  const pretty = format === 'pretty' || (format === 'auto' && isTerminal)
  return pino({
    level,
    base: { service: 'user-service', version },
    ...(fields && { mixin: fields }),
    timestamp: pino.stdTimeFunctions.isoTime,
    // Errors come described already; pino would look into their properties.
    serializers: { err: (described: unknown) => described },
    formatters: { level: (label) => ({ level: label }), log: redacted },
    ...(pretty && {
      transport: { target: 'pino-pretty', options: { ignore: 'service,version,pid,hostname' } },
    }),
  })
}

/** Counts the lines that the stream of `log` gives up from now on, because it cannot write them. */
export function linesDropped(log: Logger): () => number {
  let dropped = 0
  const stream = (log as unknown as Record<symbol, unknown>)[pino.symbols.streamSym]
  if (stream instanceof EventEmitter) stream.on('drop', () => (dropped += 1))
  return () => dropped
}
