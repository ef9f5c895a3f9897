import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2'
import { Code, ConnectError } from '@connectrpc/connect'

/** A whole answer over HTTP/2. */
export interface Received {
  stream: ClientHttp2Stream
  head: IncomingHttpHeaders
  chunks: Buffer[]
  trailers: IncomingHttpHeaders
}

/** What ends an exchange before its answer is there. */
interface Limits {
  signal: AbortSignal | undefined
  timeoutMs: number | undefined
}

/**
 * Sends a body on a stream that is being opened and reads the whole answer. The stream is canceled when
 * the time is over or the signal aborts. Fails with errors of the texts that `failureOf` knows.
 */
export function exchanged(
  opening: Promise<ClientHttp2Stream>,
  body: Uint8Array,
  { signal, timeoutMs }: Limits,
): Promise<Received> {
  const { promise, resolve, reject } = Promise.withResolvers<Received>()
  const timer = timeoutMs === undefined ? undefined : setTimeout(expire, timeoutMs)
  let stream: ClientHttp2Stream | undefined
  let isOver = false

  function end(): void {
    isOver = true
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
  /** The error is made where it is needed: each stream is closed in the end. */
  function fail(error: () => ConnectError): void {
    if (isOver) return
    end()
    reject(error())
    if (stream && !stream.closed) stream.close(constants.NGHTTP2_CANCEL)
  }
  function expire(): void {
    fail(() => new ConnectError('the operation timed out', Code.DeadlineExceeded))
  }
  function abort(): void {
    fail(() => ConnectError.from(signal?.reason, Code.Canceled))
  }
  function opened(given: ClientHttp2Stream): void {
    stream = given
    read(given, fail, (received) => {
      end()
      resolve(received)
    })
    if (isOver) given.close(constants.NGHTTP2_CANCEL)
    else given.end(body)
  }

  if (signal?.aborted) abort()
  else signal?.addEventListener('abort', abort, { once: true })
  opening.then(opened, (err: unknown) => fail(() => ConnectError.from(err, Code.Internal)))
  return promise
}

function read(
  stream: ClientHttp2Stream,
  fail: (error: () => ConnectError) => void,
  done: (received: Received) => void,
): void {
  const received: Received = { stream, head: {}, chunks: [], trailers: {} }
  stream
    .on('response', (head) => {
      received.head = head
    })
    .on('trailers', (trailers) => {
      received.trailers = trailers
    })
    .on('data', (chunk: Buffer) => received.chunks.push(chunk))
    .on('end', () => {
      // One that is reset ends as well.
      if (stream.rstCode === constants.NGHTTP2_NO_ERROR && !stream.aborted) done(received)
    })
    .on('error', (err) => fail(() => ConnectError.from(err, Code.Internal)))
    .on('close', () => fail(() => closedBy(stream.rstCode)))
}

/** What gRPC makes of HTTP/2's codes, where it is not an internal error. */
const codes: Record<number, [name: string, code: Code]> = {
  [constants.NGHTTP2_REFUSED_STREAM]: ['REFUSED_STREAM', Code.Unavailable],
  [constants.NGHTTP2_CANCEL]: ['CANCEL', Code.Canceled],
  [constants.NGHTTP2_ENHANCE_YOUR_CALM]: ['ENHANCE_YOUR_CALM', Code.ResourceExhausted],
  [constants.NGHTTP2_INADEQUATE_SECURITY]: ['INADEQUATE_SECURITY', Code.PermissionDenied],
  [constants.NGHTTP2_HTTP_1_1_REQUIRED]: ['HTTP_1_1_REQUIRED', Code.PermissionDenied],
}

/** The error of a stream that was closed before its answer was whole. */
function closedBy(rstCode: number | undefined = 0): ConnectError {
  if (rstCode === constants.NGHTTP2_NO_ERROR || rstCode === constants.NGHTTP2_STREAM_CLOSED) {
    const early = new Error('the stream was closed before its answer was whole')
    return ConnectError.from(
      Object.assign(early, { code: 'ERR_STREAM_PREMATURE_CLOSE' }),
      Code.Internal,
    )
  }
  const [name, code] = codes[rstCode] ?? ['an internal error', Code.Internal]
  const hex = rstCode.toString(16)
  return new ConnectError(`http/2 stream closed with error code ${name} (0x${hex})`, code)
}
