import { EventEmitter } from 'node:events'
import pino, {
  type DestinationStream,
  type Logger,
  type LoggerOptions,
  type MultiStreamRes,
  type StreamEntry,
} from 'pino'
import type { Conf } from './conf/conf.ts'
import { redacted } from './redact.ts'

export interface LogContext {
  version: string
  /** What every line gets at the time when it is written, such as its trace. */
  fields?: () => object
  /** Gets each line, too. */
  also?: ((line: string) => void) | undefined
}

/** JSON lines on standard output, or lines for people where that is a terminal (`auto`). */
export function createLog(
  { level, format }: Pick<Conf['log'], 'level' | 'format'>,
  isTerminal: boolean,
  { version, fields, also }: LogContext,
): Logger {
  const pretty = format === 'pretty' || (format === 'auto' && isTerminal)
  const options: LoggerOptions = {
    level,
    base: { service: 'user-service', version },
    ...(fields && { mixin: fields }),
    timestamp: pino.stdTimeFunctions.isoTime,
    // Errors come described already; pino would look into their properties.
    serializers: { err: (described: unknown) => described },
    formatters: { level: (label) => ({ level: label }), log: redacted },
  }
  const out: DestinationStream = pretty
    ? pino.transport({
        target: 'pino-pretty',
        options: { ignore: 'service,version,pid,hostname' },
      })
    : pino.destination(1)
  if (!also) return pino(options, out)
  const streams = [out, { write: also }].map((stream) => ({ level, stream }))
  return pino(options, pino.multistream(streams as StreamEntry[]))
}

/** Counts the lines that the streams of `log` give up from now on, because they cannot write them. */
export function linesDropped(log: Logger): () => number {
  let dropped = 0
  const stream = (log as unknown as Record<symbol, unknown>)[pino.symbols.streamSym]
  const several = (stream as Partial<MultiStreamRes>).streams ?? [{ stream }]
  for (const { stream: each } of several)
    if (each instanceof EventEmitter) each.on('drop', () => (dropped += 1))
  return () => dropped
}
