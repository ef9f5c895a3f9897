import type { Request } from '../../../server/exchange/exchange.ts'

type Headers = Request['headers']

// https://github.com/openzipkin/b3-propagation: trace and span, the decision, the parent of the span.
const single = /^(?:[\da-f]{16}){1,2}-[\da-f]{16}(?:-[01d](?:-[\da-f]{16})?)?$/

/** Whether a header is one of B3's, in its form of one header or of several. */
export function isB3(field: string): boolean {
  return field === 'b3' || field.startsWith('x-b3-')
}

/**
 * A header of B3 for OpenTelemetry's propagator; undefined where it is malformed. The propagator finds
 * ids in the middle of other text, and leaves them in capitals, which log and collector would show
 * differently.
 */
export function b3Value(field: string, value: string): string | undefined {
  const text = value.toLowerCase()
  return field !== 'b3' || single.test(text) ? text : undefined
}

/** Whether the caller has sent its span by B3 and leaves it to this service whether to record. */
export function isDeferred(headers: Headers): boolean {
  if (headers['traceparent'] !== undefined) return false
  const value = headers['b3']
  if (value !== undefined) return String(value).split('-').length === 2
  return headers['x-b3-traceid'] !== undefined && headers['x-b3-sampled'] === undefined
}
