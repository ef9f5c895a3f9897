import type http2 from 'node:http2'

/**
 * First and maximum delay until the next look whether an answer is sent; node has no event for it.
 * The delay doubles each time.
 */
const firstLookMs = 10
const maxLookMs = 1000

/**
 * Ends a stream whose answer is complete before its request is, with NO_ERROR, which tells the client to
 * stop sending (RFC 9113, 8.1). Node does so only if nothing of the body was read; otherwise the client
 * would wait for a window update that never comes, and the exchange would never end.
 */
export function endWithAnswer(stream: http2.ServerHttp2Stream): void {
  if (stream.endAfterHeaders) return
  function endOnceSent(delayMs: number): void {
    if (stream.destroyed || stream.readableEnded) return
    // RST_STREAM overtakes data that is not sent yet.
    if (stream.closed || stream.state.localClose === 1) stream.destroy()
    else setTimeout(endOnceSent, delayMs, Math.min(2 * delayMs, maxLookMs)).unref()
  }
  stream.on('finish', () => setImmediate(endOnceSent, firstLookMs))
}
