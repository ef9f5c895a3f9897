import {
  type Logger,
  ROOT_CONTEXT,
  SeverityNumber,
  trace as api,
  TraceFlags,
} from '@opentelemetry/api'

const severities: Record<string, SeverityNumber> = {
  trace: SeverityNumber.TRACE,
  debug: SeverityNumber.DEBUG,
  info: SeverityNumber.INFO,
  warn: SeverityNumber.WARN,
  error: SeverityNumber.ERROR,
  fatal: SeverityNumber.FATAL,
}

/** Turns a line of the log, JSON as it is written, into a record of OpenTelemetry. */
export function logRecords(logger: Logger) {
  return function emit(line: string): void {
    const fields = JSON.parse(line) as Record<string, unknown>
    const { level, time, msg, trace_id: traceId, span_id: spanId, ...rest } = fields
    // The resource says these.
    const { service: _service, version: _version, ...attributes } = rest
    const known = typeof traceId === 'string' && typeof spanId === 'string'
    const traceFlags = TraceFlags.SAMPLED
    logger.emit({
      timestamp: new Date(String(time)),
      severityNumber: severities[String(level)] ?? SeverityNumber.UNSPECIFIED,
      severityText: String(level),
      body: String(msg),
      attributes,
      ...(known && {
        context: api.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags }),
      }),
    })
  }
}
