import { subscribe } from 'node:diagnostics_channel'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'

/** An answer of a server in this process, with the request line that it answers. */
export interface Answer {
  method: string
  path: string
  status: number
  headers: Readonly<Record<string, unknown>>
  /** As sent, perhaps compressed; undefined if it is longer than `maxBytes`. */
  body: Buffer | undefined
}

/** Longer bodies are not kept: no answer of the API is longer. */
const maxBytes = 4 * 1024 * 1024

const watched = new Map<number, (answer: Answer) => void>()
let subscribed = false

/**
 * Calls `seen` with each whole answer that a server in this process gives on a port, over HTTP/1.1 and
 * HTTP/2, until the returned function is called. Answers below HTTP, to bytes that are no request, are
 * not among them.
 */
export function watchAnswers(port: number, seen: (answer: Answer) => void): () => void {
  if (!subscribed) {
    subscribed = true
    subscribe('http.server.request.start', (message) => watchHttp1(message as Http1Start))
    subscribe('http2.server.stream.start', (message) => watchHttp2(message as Http2Start))
  }
  watched.set(port, seen)
  return () => void watched.delete(port)
}

interface Http1Start {
  request: IncomingMessage
  response: ServerResponse
  socket: Socket
}

function watchHttp1({ request, response, socket }: Http1Start): void {
  const seen = watched.get(socket.localPort ?? 0)
  if (!seen) return
  const bytes = keepBytes(response)
  response.once('finish', () => {
    const { method = '', url = '' } = request
    const headers = headersIn(response)
    seen({ method, path: pathOf(url), status: response.statusCode, headers, body: bytes() })
  })
}

/** The fields of a head that has been written: `getHeaders` lacks those that `writeHead` was given. */
function headersIn(response: ServerResponse): Record<string, string> {
  const { _header: head = '' } = response as { _header?: string }
  const fields = head
    .split('\r\n')
    .slice(1)
    .map((line) => line.split(': ', 2))
  return Object.fromEntries(fields.map(([name = '', value = '']) => [name.toLowerCase(), value]))
}

interface Http2Start {
  stream: ServerHttp2Stream
  headers: IncomingHttpHeaders
}

function watchHttp2({ stream, headers: asked }: Http2Start): void {
  const seen = watched.get(stream.session?.socket.localPort ?? 0)
  if (!seen) return
  const bytes = keepBytes(stream)
  stream.once('finish', () => {
    const { ':status': code, ...headers } = stream.sentHeaders ?? {}
    const status = Number(code)
    if (code === undefined) return
    const path = pathOf(String(asked[':path']))
    seen({ method: String(asked[':method']), path, status, headers, body: bytes() })
  })
}

const pathOf = (url: string): string => url.split('?', 1)[0] ?? ''

type Written = (this: object, chunk?: unknown, ...rest: unknown[]) => unknown

/** Keeps a copy of the bytes that are written to an answer. */
function keepBytes(answer: object): () => Buffer | undefined {
  const chunks: Buffer[] = []
  let length = 0
  function keep(chunk: unknown): void {
    if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) return
    length += chunk.length
    if (length <= maxBytes) chunks.push(Buffer.from(chunk as string))
  }
  for (const name of ['write', 'end'] as const) replaceable(answer, name, keep)
  return () => (length <= maxBytes ? Buffer.concat(chunks) : undefined)
}

/**
 * Calls `keep` once at each call of a method, also of one that is put in its place later and calls the
 * one before, as metrics do.
 */
function replaceable(answer: object, name: string, keep: (chunk: unknown) => void): void {
  let isWithin = false
  function keeping(own: Written): Written {
    return function kept(chunk, ...rest) {
      if (isWithin) return own.call(this, chunk, ...rest)
      isWithin = true
      keep(chunk)
      try {
        return own.call(this, chunk, ...rest)
      } finally {
        isWithin = false
      }
    }
  }
  let current = keeping(Reflect.get(answer, name) as Written)
  const set = (other: Written) => void (current = keeping(other))
  Object.defineProperty(answer, name, { configurable: true, get: () => current, set })
}
