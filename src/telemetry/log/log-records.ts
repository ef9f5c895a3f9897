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

/** Gives a function that emits a line of the log, in JSON, to `logger` as a log record. */
export function logRecords(logger: Logger) {
  return function emit(line: string): void {
    const fields = JSON.parse(line) as Record<string, unknown>
    const { level, time, msg, trace_id: traceId, span_id: spanId, ...others } = fields
    // The resource of the record has these.
    const { service: _service, version: _version, ...attributes } = others
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
