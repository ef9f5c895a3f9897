import net from 'node:net'

export interface RawRequest {
  method?: string
  target: string
  headers?: Record<string, string>
  body?: string | Uint8Array
}

export interface RawAnswer {
  status: number
  headers: Headers
  body: string
  bytes: Buffer
  trailers: Headers
}

/** Writes a request as it stands, for what no client library would send. */
export function requestBytes({ method = 'GET', target, headers = {}, body }: RawRequest): Buffer {
  const payload = Buffer.from(body ?? '')
  const length = body === undefined ? {} : { 'Content-Length': String(payload.byteLength) }
  const lines = Object.entries({ Host: 'localhost', Connection: 'close', ...length, ...headers })
  const head = [`${method} ${target} HTTP/1.1`, ...lines.map((line) => line.join(': ')), '', '']
  return Buffer.concat([Buffer.from(head.join('\r\n'), 'latin1'), payload])
}

/** Sends bytes and reads the answer until the server closes the connection. */
export function exchangeBytes(port: number, bytes: string | Uint8Array): Promise<RawAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>()
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  const chunks: Buffer[] = []
  const finish = () => {
    socket.destroy()
    try {
      resolve(readAnswer(Buffer.concat(chunks)))
    } catch (err) {
      reject(err)
    }
  }
  socket.setTimeout(60_000, () => reject(new Error('the server did not close the connection')))
  socket.on('data', (chunk) => chunks.push(chunk))
  // A server may refuse a body before it has read all of it.
  socket.on('error', finish)
  socket.on('end', finish)
  socket.write(bytes)
  return promise
}

export function exchange(port: number, request: RawRequest): Promise<RawAnswer> {
  return exchangeBytes(port, requestBytes(request))
}

function readAnswer(received: Buffer): RawAnswer {
  const bytes = withoutInterim(received)
  const end = bytes.indexOf('\r\n\r\n')
  const head = bytes.toString('latin1', 0, Math.max(end, 0))
  const [statusLine = ''] = head.split('\r\n', 1)
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1])
  if (!status) throw new Error(`no answer of HTTP/1.1: ${JSON.stringify(bytes.toString('latin1'))}`)
  const headers = readFields(head.slice(statusLine.length + 2))
  const rest = bytes.subarray(end + 4)
  const chunked = headers.get('transfer-encoding') === 'chunked'
  const { body, trailers } = chunked ? joinChunks(rest) : { body: rest, trailers: new Headers() }
  return { status, headers, body: body.toString(), bytes: body, trailers }
}

/** What follows 100 Continue. */
function withoutInterim(bytes: Buffer): Buffer {
  const interim = /^HTTP\/1\.1 1\d\d /.test(bytes.toString('latin1', 0, 13))
  return interim ? withoutInterim(bytes.subarray(bytes.indexOf('\r\n\r\n') + 4)) : bytes
}

function readFields(lines: string): Headers {
  const fields = new Headers()
  for (const line of lines.split('\r\n').filter((each) => each !== '')) {
    const colon = line.indexOf(':')
    fields.append(line.slice(0, colon), line.slice(colon + 1).trim())
  }
  return fields
}

function joinChunks(bytes: Buffer) {
  const parts: Buffer[] = []
  let at = 0
  while (at < bytes.length) {
    const lineEnd = bytes.indexOf('\r\n', at)
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16)
    at = lineEnd + 2
    if (!(size > 0)) break
    parts.push(bytes.subarray(at, at + size))
    at += size + 2
  }
  return { body: Buffer.concat(parts), trailers: readFields(bytes.toString('latin1', at)) }
}
