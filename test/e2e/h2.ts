import http2 from 'node:http2'
import { buffer } from 'node:stream/consumers'
import type { Test } from 'tap'
import type { RawAnswer } from './raw.ts'
import type { Credentials } from './wire.ts'

export type H2Request = (
  headers: http2.OutgoingHttpHeaders,
  body?: string | Uint8Array,
) => Promise<RawAnswer>

/** A session of HTTP/2 that sends requests as they stand; over TLS when the URL says so. */
export function h2Client(t: Test, url: string, credentials: Credentials = {}): H2Request {
  // A field may come twice; its types do not know this option.
  const options = { ...credentials, strictSingleValueFields: false }
  const session = http2.connect(url, options)
  session.on('error', () => undefined)
  t.teardown(() => session.destroy())
  return async function request(headers, body) {
    const stream = session.request(headers, { endStream: body === undefined })
    const trailers = new Headers()
    stream.once('trailers', (fields) => readFields(fields, trailers))
    if (body !== undefined) stream.end(body)
    const [bytes, fields] = await Promise.all([buffer(stream), head(stream)])
    return {
      status: Number(fields[':status']),
      headers: readFields(fields, new Headers()),
      body: bytes.toString(),
      bytes,
      trailers,
    }
  }
}

function head(stream: http2.ClientHttp2Stream): Promise<http2.IncomingHttpHeaders> {
  const { promise, resolve, reject } = Promise.withResolvers<http2.IncomingHttpHeaders>()
  stream.once('response', resolve).once('error', reject)
  stream.once('close', () => reject(new Error('the stream was closed without an answer')))
  return promise
}

function readFields(fields: http2.IncomingHttpHeaders, into: Headers): Headers {
  for (const [name, value] of Object.entries(fields))
    if (!name.startsWith(':') && value !== undefined) into.set(name, String(value))
  return into
}
