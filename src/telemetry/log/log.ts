import pino, { type Logger, type LoggerOptions, type MultiStreamRes, type StreamEntry } from 'pino'
import type { Conf } from '../../conf/conf.ts'
import { type LogOutput, logOutput } from './output.ts'
import { redacted } from './redact.ts'

/** The common fields of all lines, and their second destination. */
export interface LogContext {
  version: string
  /** Gives the ids of the trace for a line that is written, and that has none yet. */
  fields?: () => object
  /** Gets each line as well, as it is written. */
  also?: ((line: string) => void) | undefined
}

/**
 * JSON lines on standard output, or lines for people where that is a terminal (`auto`). A line that
 * cannot be written neither throws nor blocks; lines that wait are written when the process ends.
 */
export async function createLog(
  { level, format }: Pick<Conf['log'], 'level' | 'format'>,
  isTerminal: boolean,
  { version, fields, also }: LogContext,
): Promise<Logger> {
  const options: LoggerOptions = {
    level,
    base: { service: 'user-service', version },
    ...(fields && traced(fields)),
    timestamp: isoTime,
    // Errors come described already; pino would look into their properties.
    serializers: { err: (described: unknown) => described },
    formatters: { level: (label) => ({ level: label }), log: redacted },
  }
  const pretty = format === 'pretty' || (format === 'auto' && isTerminal)
  const out = logOutput({
    // By reading process.stdout node makes a pipe non-blocking.
    fd: process.stdout.fd,
    ...(pretty && { form: await forPeople() }),
    recovered: (lines) => log.warn({ lines }, 'log lines were dropped'),
  })
  process.on('exit', out.flushSync)
  // The logger's own level decides, and may change.
  const streams = [out, { write: also }].map((stream) => ({ level: 'trace', stream }))
  const log = pino(options, also ? pino.multistream(streams as StreamEntry[]) : out)
  return log
}

let timedAt = 0
let time = ''

/** pino's own `isoTime`, with a text for all lines of a millisecond. */
function isoTime(): string {
  const now = Date.now()
  if (now !== timedAt) time = `,"time":"${new Date(now).toISOString()}"`
  timedAt = now
  return time
}

/** Lines that have the ids of their trace, as those of an exchange do, are not copied to add them. */
function traced(fields: () => object): LoggerOptions {
  return {
    mixin: () => ({}),
    mixinMergeStrategy: (line: object) =>
      'trace_id' in line ? line : Object.assign(fields(), line),
  }
}

/** In this thread: a worker ends at the first error, and at exit its lines may be lost. */
async function forPeople(): Promise<(line: string) => string> {
  const { prettyFactory } = await import('pino-pretty')
  return prettyFactory({ ignore: 'service,version,pid,hostname' })
}

/** Counts the lines that the streams of `log` have dropped; gives a reader of the count. */
export function linesDropped(log: Logger): () => number {
  const stream = (log as unknown as Record<symbol, unknown>)[pino.symbols.streamSym]
  const several = (stream as Partial<MultiStreamRes>).streams ?? [{ stream }]
  const counts = several.map((each) => (each.stream as Partial<LogOutput>).dropped)
  return () => counts.reduce((sum, dropped) => sum + (dropped?.() ?? 0), 0)
}
