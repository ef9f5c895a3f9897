import { once } from 'node:events'
import net from 'node:net'

/**
 * Sends requests over a few keep-alive connections, each the next when it has its answer; `paths` in
 * turn. Throws for an answer that is not 200.
 */
export async function drive(
  port: number,
  paths: readonly string[],
  requests: number,
  connections = 16,
): Promise<void> {
  const wire = paths.map((path) =>
    Buffer.from(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n`),
  )
  let next = 0
  async function run(): Promise<void> {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('the server closed the connection')))
    function send(): void {
      if (next >= requests) resolve()
      else socket.write(wire[next++ % wire.length] ?? '')
    }
    let received = ''
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1')
      if (!isWhole(received)) return
      if (received.startsWith('HTTP/1.1 200 ')) {
        received = ''
        send()
      } else reject(new Error(received))
    })
    send()
    await promise.finally(() => socket.destroy())
  }
  await Promise.all(Array.from({ length: connections }, run))
}

function isWhole(answer: string): boolean {
  const end = answer.indexOf('\r\n\r\n')
  if (end === -1) return false
  const length = /content-length: (\d+)/i.exec(answer)?.[1] ?? '0'
  return answer.length >= end + 4 + Number(length)
}
