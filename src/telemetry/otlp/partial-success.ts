import { diag, DiagLogLevel } from '@opentelemetry/api'
import type { Env } from '../../conf/placeholder.ts'
import { printable } from './reason.ts'

/** A collector has answered an export with success, but has not taken all of it. */
export class PartialSuccess extends Error {
  /** Spans, log records or data points that are lost; Infinity: all of the export. */
  readonly rejected: number

  constructor(rejected: number, message: string) {
    super(message)
    this.rejected = rejected
  }
}

/** How an export has ended; 0 is success. */
interface Result {
  code: number
  error?: Error
}

/** The common type of OpenTelemetry's exporters. */
export interface Exporter<T, R extends Result = Result> {
  export(items: T, done: (result: R) => void): void
}

// Exporters keep the body of an answer to themselves but for a line of diagnosis, which they write right
// before they call `done`. OpenTelemetry's diagnosis is one for the process.
let answer: PartialSuccess | undefined

const ignore = () => undefined

/** Reads the diagnosis of exporters. With OTEL_LOG_LEVEL it goes to the console, and is not read. */
export function readAnswers(env: Env): void {
  if (env.OTEL_LOG_LEVEL) return
  diag.setLogger(
    { error: ignore, warn: read, info: ignore, debug: ignore, verbose: ignore },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  )
}

function read(text: string, ...details: unknown[]): void {
  if (text.startsWith('Received Partial Success')) answer = partial(String(details[0]))
  const body = details.at(-1)
  // Other bodies that are no OTLP come from collectors, too.
  if (body instanceof Uint8Array && body[0] === '<'.charCodeAt(0))
    answer = new PartialSuccess(
      Infinity,
      `the endpoint is no collector: it answers ${printable(Buffer.from(body).toString())}`,
    )
}

function partial(json: string): PartialSuccess | undefined {
  const { errorMessage, ...counts } = JSON.parse(json) as Record<string, unknown>
  const [rejected = 0] = Object.values(counts).map(Number)
  // A message alone is advice, and nothing is lost.
  if (rejected === 0) return undefined
  const told = typeof errorMessage === 'string' ? `: ${printable(errorMessage)}` : ''
  return new PartialSuccess(rejected, `the collector has refused ${rejected} of an export${told}`)
}

/** The exporter, with a PartialSuccess as the error of an export of which items were refused. */
export function withPartialSuccess<T, R extends Result>(exporter: Exporter<T, R>): Exporter<T, R> {
  return {
    export(items, done) {
      exporter.export(items, (result) => {
        const error = answer
        answer = undefined
        done(error === undefined ? result : { ...result, error })
      })
    },
  }
}
