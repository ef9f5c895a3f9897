import type { ClientHttp2Stream, Http2Session } from 'node:http2'

/** How a stream is closed; as a property, which may be taken from one stream and set for another. */
export type Close = (
  this: ClientHttp2Stream,
  ...reset: Parameters<ClientHttp2Stream['close']>
) => void

/** How many streams may be reset at once. */
const burst = 150
/** Then one after each such time. */
const everyMs = 70

/**
 * Resets the streams of one session no faster than servers bear: those of this service end a connection at 20
 * a second after 200, others of node at 33 after 1000, with the calls of everybody else on it. A stream that
 * ends before its turn needs none. `closeNow` is what streams have of node.
 */
export function pacedResets(session: Http2Session, closeNow: Close) {
  const waiting = new Map<ClientHttp2Stream, Parameters<Close>>()
  let left = burst
  let timer: NodeJS.Timeout | undefined

  function next(): void {
    const [first] = waiting
    if (first) {
      const [stream, reset] = first
      waiting.delete(stream)
      closeNow.apply(stream, reset)
    } else if (++left === burst) stop()
  }
  function stop(): void {
    clearInterval(timer)
    timer = undefined
  }
  session.once('close', stop)

  /** In place of `close` of a stream. */
  const close: Close = function close(...reset) {
    if (this.closed || waiting.has(this)) return
    timer ??= setInterval(next, everyMs).unref()
    if (left > 0) {
      left -= 1
      closeNow.apply(this, reset)
    } else {
      waiting.set(this, reset)
      this.once('close', () => waiting.delete(this))
    }
  }
  /** `waiting`: how many streams wait to be reset. */
  return { close, waiting: () => waiting.size }
}
