import type { OtlpProtocol } from './target.ts'

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
  return (err instanceof Error && err.message) || 'the export failed'
}
