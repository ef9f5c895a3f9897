import { once } from 'node:events'
import net from 'node:net'

interface Load {
  port: number
  connections: number
  calls: number
  requestOf: (call: number) => string
}

/**
 * Makes calls over HTTP/1.1, one at a time on each connection, and gives how many of them failed. On
 * bare sockets: the generator has the core of the database, and node:http would take most of it.
 */
export async function load({ port, connections, calls, requestOf }: Load): Promise<number> {
  let begun = 0
  let failed = 0
  async function lane(): Promise<void> {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true }).setEncoding('latin1')
    await once(socket, 'connect')
    while (begun < calls) {
      begun += 1
      socket.write(requestOf(begun))
      if (!(await answered(socket))) failed += 1
    }
    socket.destroy()
  }
  await Promise.all(Array.from({ length: connections }, lane))
  return failed
}

/** Reads one answer with a Content-Length; whether it is a 200. */
function answered(socket: net.Socket): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>()
  const ended = () => end(() => reject(new Error('the service closed a connection')))
  let received = ''
  function end(settle: () => void): void {
    socket.off('data', read).off('close', ended)
    settle()
  }
  function read(chunk: string): void {
    received += chunk
    const body = received.indexOf('\r\n\r\n') + 4
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(received)?.[1])
    if (body > 3 && received.length >= body + length)
      end(() => resolve(received.startsWith('HTTP/1.1 200')))
  }
  socket.on('data', read).once('close', ended)
  return promise
}
