import type { OtlpProtocol } from './target.ts'

/** Characters of a text that a collector chooses. */
const maxText = 300

const fix = 'or OTEL_EXPORTER_OTLP_PROTOCOL'

/**
 * Adds to the reason of a failed export what to set, where a collector was called by the wrong
 * protocol. `setting` is what the configuration calls the protocol of the signal.
 */
export function withAdvice(reason: string, protocol: OtlpProtocol, setting: string): string {
  // An HTTP/2 server, as those of gRPC are, answers HTTP/1.1 with a frame of its own.
  if (protocol === 'http/protobuf' && reason.startsWith('Parse Error: Expected HTTP/'))
    return `${reason}; the collector speaks gRPC at this port: set ${setting} ${fix} to grpc`
  if (protocol === 'grpc' && /Protocol error|ECONNRESET|HTTP\/1\.1|HTTP status code/i.test(reason))
    return `${reason}; if the collector speaks HTTP at this port, set ${setting} ${fix} to http/protobuf`
  return reason
}

/** The message of an error. A connection that fails for each of several addresses has one for each. */
export function reasonOf(err: unknown): string {
  if (err instanceof AggregateError && err.message === '')
    return err.errors.map(String).join(', ') || err.name
  if (!(err instanceof Error) || err.message === '') return 'the export failed'
  if (err.message === 'Export failed with retryable status')
    return 'the collector answers 429, 502, 503 or 504'
  return 'data' in err && 'code' in err ? answered(err) : printable(err.message)
}

/** An answer over HTTP that is no success; `data` is its body. */
function answered({ code, data, message }: Error & { code: unknown; data: unknown }): string {
  const status = `the collector answers ${printable(`${String(code)} ${message}`)}`
  if (/^3\d\d$/.test(String(code))) return `${status}; redirects are not followed`
  const body = printable(String(data))
  return body === '' ? status : `${status}: ${body}`
}

/** A text of the collector, for one line of the log: without what is binary, and cut. */
export function printable(text: string): string {
  const clean = text
    .slice(0, 1000)
    .replace(/[\p{C}\uFFFD\s]+/gu, ' ')
    .trim()
  return clean.length > maxText ? `${clean.slice(0, maxText)}…` : clean
}
