import type http from 'node:http'
import type http2 from 'node:http2'

/** Whether the client waits for 100 Continue before it sends its body. */
export function expectsContinue({ headers }: http.IncomingMessage | http2.Http2ServerRequest) {
  return headers.expect?.toLowerCase() === '100-continue'
}

/**
 * Sends 100 Continue when the body is first read, for a request that expects it. Node would send it at
 * once, also where the request is going to be refused by its head, and the client would then send a
 * body in vain (RFC 9110, 10.1.1).
 */
export function continueWhenRead(
  req: http.IncomingMessage | http2.Http2ServerRequest,
  res: http.ServerResponse | http2.Http2ServerResponse,
): void {
  const goesOn = 'shouldKeepAlive' in res ? withoutKeepAlive(res) : undefined
  function goOn(event: string | symbol): void {
    if (event !== 'data' && event !== 'readable') return
    req.off('newListener', goOn)
    if (res.headersSent) return
    goesOn?.()
    res.writeContinue()
  }
  req.on('newListener', goOn)
}

/**
 * A client of HTTP/1.1 that was not told to go on may send its body or not, so its next request cannot
 * be found. Returns a function that takes the connection back into use.
 */
function withoutKeepAlive(res: http.ServerResponse): () => void {
  const { shouldKeepAlive } = res
  res.shouldKeepAlive = false
  return () => {
    res.shouldKeepAlive = shouldKeepAlive
  }
}
