import { once } from 'node:events'
import http2 from 'node:http2'
import { buffer } from 'node:stream/consumers'
import type { Test } from 'tap'
import type { RawAnswer } from './raw.ts'

export type H2Answer = RawAnswer & { trailers: Headers; bytes: Buffer }
export type H2Request = (
  headers: http2.OutgoingHttpHeaders,
  body?: string | Uint8Array,
) => Promise<H2Answer>

/** A session of HTTP/2 without TLS that sends requests as they stand. */
export function h2Client(t: Test, url: string): H2Request {
  const session = http2.connect(url)
  session.on('error', () => undefined)
  t.teardown(() => session.destroy())
  return async function request(headers, body) {
    const stream = session.request(headers, { endStream: body === undefined })
    const trailers = new Headers()
    stream.once('trailers', (fields) => readFields(fields, trailers))
    if (body !== undefined) stream.end(body)
    const head = once(stream, 'response') as Promise<[http2.IncomingHttpHeaders]>
    const [bytes, [fields]] = await Promise.all([buffer(stream), head])
    return {
      status: Number(fields[':status']),
      headers: readFields(fields, new Headers()),
      body: bytes.toString(),
      bytes,
      trailers,
    }
  }
}

function readFields(fields: http2.IncomingHttpHeaders, into: Headers): Headers {
  for (const [name, value] of Object.entries(fields))
    if (!name.startsWith(':') && value !== undefined) into.set(name, String(value))
  return into
}
