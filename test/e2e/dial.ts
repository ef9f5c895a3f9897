import net from 'node:net'

/** Connects to `host:port` and writes; a reset is no failure of ours. */
export function dial(addr: string, bytes: string | Buffer = ''): net.Socket {
  const [host, port] = addr.split(':')
  const socket = net.connect(Number(port), host)
  socket.on('error', () => undefined)
  if (bytes.length > 0) socket.write(bytes, 'latin1')
  return socket
}

/** Reads what the service answers until it closes. */
export function answerTo(socket: net.Socket): Promise<string> {
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
  return new Promise((resolve) => socket.on('close', () => resolve(text)))
}
