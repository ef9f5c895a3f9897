import type net from 'node:net'

const preface = Buffer.from('PRI')

/**
 * Reads the first bytes of a connection and puts them back: `PRI` begins HTTP/2, everything else is
 * HTTP/1.1. Calls `known` with the answer. A connection that ends or that does not say its protocol
 * within `timeoutMs` is destroyed; `known` is not called then. `settled` is called in any case.
 */
export function detectProtocol(
  socket: net.Socket,
  timeoutMs: number,
  settled: () => void,
  known: (isHttp2: boolean) => void,
): void {
  let seen: Buffer = Buffer.alloc(0)
  let isSettled = false
  const drop = () => isSettled || socket.destroy()
  // Timers come before reading in a turn of the event loop: after a long turn, bytes may lie unread.
  const deadline = setTimeout(() => setImmediate(drop), timeoutMs)
  const settle = () => {
    isSettled = true
    clearTimeout(deadline)
    settled()
  }

  function peek(): void {
    const chunk = socket.read() as Buffer | null
    if (chunk === null || socket.destroyed) return
    seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk])
    const compared = Math.min(seen.length, preface.length)
    const isHttp2 = seen.compare(preface, 0, compared, 0, compared) === 0
    if (isHttp2 && compared < preface.length) return

    settle()
    socket.off('readable', peek).off('end', drop).off('close', settle)
    // One unshift of everything: putting bytes back while 'readable' has a listener emits it again.
    socket.unshift(seen)
    known(isHttp2)
  }
  socket.on('readable', peek).once('end', drop).once('close', settle)
}
