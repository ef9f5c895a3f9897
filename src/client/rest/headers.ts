import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'
import { mayLeave } from '../../call/headers.ts'
import type { Dialect } from './dialect.ts'
import { jsonType } from './dialect.ts'

/** What a request expects as its answer. */
export type Expected = 'message' | 'stream'

// The forms of a stream that are read, the preferred one first.
const streamTypes = 'text/event-stream, application/x-ndjson;q=0.9'

// As many digits as servers read.
const maxTimeoutMs = 9_999_999_999

/**
 * The headers of a request: those of the caller, but for what describes the connection or the body;
 * the types of answer and body; and how long the caller waits, as Connect's and as Kratos' clients
 * say it.
 */
export function requestHeaders(
  given: ConstructorParameters<typeof Headers>[0],
  timeoutMs: number | undefined,
  dialect: Dialect,
  expected: Expected,
): Headers {
  const headers = new Headers()
  new Headers(given).forEach((value, name) => {
    if (mayLeave(name)) headers.append(name, value)
  })
  headers.set('accept', expected === 'stream' ? streamTypes : jsonType(dialect))
  if (timeoutMs === undefined) return headers
  const ms = String(Math.min(maxTimeoutMs, Math.max(1, Math.floor(timeoutMs))))
  headers.set('connect-timeout-ms', ms)
  headers.set('x-request-timeout-ms', ms)
  return headers
}

/** The headers as node:http takes them, with the content type of a body if there is one. */
export function outgoing(headers: Headers, contentType: string | undefined): OutgoingHttpHeaders {
  const out: OutgoingHttpHeaders = {}
  headers.forEach((value, name) => (out[name] = value))
  if (contentType !== undefined) out['content-type'] = contentType
  return out
}

/** The headers of an answer. */
export function answerHeaders(received: IncomingHttpHeaders): Headers {
  const headers = new Headers()
  for (const [name, value] of Object.entries(received))
    for (const each of Array.isArray(value) ? value : [value])
      if (each !== undefined) headers.append(name, each)
  return headers
}

/** The media type of an answer, without its parameters; '' if it has none. */
export function mediaTypeOf({ 'content-type': type = '' }: IncomingHttpHeaders): string {
  return (type.split(';', 1)[0] ?? '').trim().toLowerCase()
}
