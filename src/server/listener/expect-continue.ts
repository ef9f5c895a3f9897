import type http from 'node:http'

/**
 * Sends 100 Continue when the body is first read, for a request that expects it. Node would send it at
 * once, also where the request is going to be refused by its head, and the client would then send a
 * body in vain (RFC 9110, 10.1.1).
 */
export function continueWhenRead(req: http.IncomingMessage, res: http.ServerResponse): void {
  const { shouldKeepAlive } = res
  // A client that was not told to go on may send its body or not, so its next request cannot be found.
  res.shouldKeepAlive = false
  function goOn(event: string | symbol): void {
    if (event !== 'data' && event !== 'readable') return
    req.off('newListener', goOn)
    if (res.headersSent) return
    res.shouldKeepAlive = shouldKeepAlive
    res.writeContinue()
  }
  req.on('newListener', goOn)
}
