import { type ClientHttp2Stream, constants, type Http2Session } from 'node:http2'
import { Http2SessionManager } from '@connectrpc/connect-node'
import { type Close, pacedResets } from './paced-resets.ts'

type Settings = ConstructorParameters<typeof Http2SessionManager>
type Request = Parameters<Http2SessionManager['request']>

/** Sessions of HTTP/2 to one server, one after the other; made by `managed`. */
export type Managed = ReturnType<typeof managed>

/**
 * In units of a million bytes, the largest that node takes. Of a stream that is canceled it leaves the bytes
 * that wait to be sent in the session's count for ever; past the limit, 10 by default, it resets each answer
 * with ENHANCE_YOUR_CALM until the session ends. What waits is bounded by the calls that a process admits.
 */
const maxSessionMemory = 2 ** 32 - 1

/** A session on which so many streams wait to be reset takes no further ones if another one can. */
const maxWaiting = 16

/** Opens a session with the first request, and another one when it has ended. */
export function managed(...[url, pings, options]: Settings) {
  const manager = new Http2SessionManager(url, pings, { maxSessionMemory, ...options })
  let session: Http2Session | undefined
  let resets: ReturnType<typeof pacedResets> | undefined
  let open = 0

  function ended(): void {
    open -= 1
  }
  function failed(err: unknown): never {
    ended()
    throw err
  }
  function prepared(stream: ClientHttp2Stream): ClientHttp2Stream {
    const { session: its } = stream
    if (its && its !== session) {
      session = its
      its.on('error', ignore)
      resets = pacedResets(its, (stream as { close: Close }).close)
    }
    if (resets) stream.close = resets.close
    return stream.once('close', ended)
  }

  return {
    authority: manager.authority,
    state: () => manager.state(),
    request(...request: Request): Promise<ClientHttp2Stream> {
      if (session !== undefined && isTooLarge(request, manager.authority, session))
        return Promise.reject(tooLarge())
      open += 1
      const opened = manager.request(...request).then(prepared, failed)
      return Object.keys(request[2]).length > maxSafeFields ? opened.then(withManyFields) : opened
    },
    notifyResponseByteRead: (stream: ClientHttp2Stream) => manager.notifyResponseByteRead(stream),
    abort: () => manager.abort(),
    /** How many streams are open, or wait to be. */
    open: () => open,
    /** Whether it can take a further stream at once, as far as is known. */
    hasRoom(): boolean {
      if (session === undefined || resets === undefined || session.destroyed) return true
      const { maxConcurrentStreams = Infinity } = session.remoteSettings
      return open < maxConcurrentStreams && resets.waiting() < maxWaiting
    },
  }
}

/** What the four pseudo-headers of a POST take beside their path and the origin. */
const pseudoBytes = 158
/** What each field counts beside its name and its value (RFC 9113, 6.5.2). */
const fieldBytes = 32

/** Whether a request has more header bytes than the server takes, as far as it has said so. */
function isTooLarge(
  [, path, headers]: Request,
  origin: string,
  { remoteSettings }: Http2Session,
): boolean {
  const { maxHeaderListSize = Infinity } = remoteSettings
  let size = pseudoBytes + origin.length + path.length
  for (const name in headers) size += name.length + String(headers[name]).length + fieldBytes
  return size > maxHeaderListSize
}

const tooLargeCode = { code: 'ERR_HTTP2_HEADERS_TOO_LARGE' }

function tooLarge(): Error {
  return Object.assign(new Error('the server takes no headers of this size'), tooLargeCode)
}

/** Servers of node take 128 fields by default, with those of HTTP/2, and do not say so. */
const maxSafeFields = 100

/** A server that resets such a stream with ENHANCE_YOUR_CALM finds its headers too many. */
function withManyFields(stream: ClientHttp2Stream): ClientHttp2Stream {
  return stream.prependOnceListener('error', (err) => {
    if (stream.rstCode === constants.NGHTTP2_ENHANCE_YOUR_CALM) Object.assign(err, tooLargeCode)
  })
}

/**
 * An error of a session without a listener would end the process. Connect 2.2.0 takes its own away when it
 * leaves a session, also one that it has destroyed and whose error is still to come.
 */
function ignore(): void {}
