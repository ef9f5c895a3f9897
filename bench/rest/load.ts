import { once } from 'node:events'
import net from 'node:net'

export interface Client {
  /** Sends so many requests, the paths in turn. Rejects for an answer that is not 200. */
  drive(paths: readonly string[], requests: number): Promise<void>
  close(): void
}

/** Keep-alive connections of which each sends its next request when it has its answer. */
export async function client(port: number, connections = 64): Promise<Client> {
  const sockets = await Promise.all(
    Array.from({ length: connections }, async () => {
      const socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
      await once(socket, 'connect')
      return socket
    }),
  )
  return {
    async drive(paths, requests) {
      const wire = paths.map((path) =>
        Buffer.from(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n`),
      )
      let sent = 0
      const next = () => (sent < requests ? wire[sent++ % wire.length] : undefined)
      await Promise.all(sockets.map((socket) => run(socket, next)))
    },
    close() {
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** Sends what `next` gives on one connection until it gives nothing. */
function run(socket: net.Socket, next: () => Buffer | undefined): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const closed = () => reject(new Error('the server closed the connection'))
  let received = ''
  function send(): void {
    const request = next()
    if (request) socket.write(request)
    else resolve()
  }
  function read(chunk: Buffer): void {
    received += chunk.toString('latin1')
    if (!isWhole(received)) return
    if (!received.startsWith('HTTP/1.1 200 ')) return reject(new Error(received))
    received = ''
    send()
  }
  socket.on('data', read).on('error', reject).on('close', closed)
  send()
  return promise.finally(() => socket.off('data', read).off('error', reject).off('close', closed))
}

function isWhole(answer: string): boolean {
  const end = answer.indexOf('\r\n\r\n')
  if (end === -1) return false
  const length = /content-length: (\d+)/i.exec(answer)?.[1] ?? '0'
  return answer.length >= end + 4 + Number(length)
}
