import type { Env } from '../conf/placeholder.ts'

const known: Record<string, readonly string[]> = {
  OTEL_TRACES_EXPORTER: ['otlp', 'zipkin', 'console', 'none'],
  OTEL_METRICS_EXPORTER: ['otlp', 'prometheus', 'none'],
  OTEL_PROPAGATORS: ['tracecontext', 'baggage', 'b3', 'b3multi', 'none'],
}

/**
 * A message for each name in OpenTelemetry's lists that this service does not know. OpenTelemetry
 * wants such a name ignored with a warning, for the variables are those of a whole fleet.
 */
export function unknownNames(env: Env): string[] {
  return Object.entries(known).flatMap(([variable, names]) => {
    const list = env[variable] ?? ''
    return list
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '' && !names.includes(name))
      .map((name) => `${variable}=${list}: ${name} is not known; ${names.join(', ')} are`)
  })
}
