import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import net, { type AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setImmediate as turn } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { until } from '../../help/until.ts'
import type { ListenerLimits, RequestHandler } from '../../../src/server/listener/arrival.ts'
import {
  type DualListener,
  dualProtocolListener,
  type ListenerOptions,
} from '../../../src/server/listener/listener.ts'

/** Limits that a test reaches only if it lowers them: tap gives up earlier. */
export const limits: ListenerLimits = {
  maxHeaderBytes: 4096,
  headersTimeoutMs: 60_000,
  requestTimeoutMs: 60_000,
  keepAliveTimeoutMs: 60_000,
  maxConcurrentStreams: 10,
  maxConnections: 1000,
}
export const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
export const emptySettings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])
/** HEADERS of stream 1 with END_STREAM and END_HEADERS: GET, http, /, authority x. */
export const getFrame = Buffer.from([0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 1, 0x78])
/** RST_STREAM of stream 1 with CANCEL. */
export const resetFrame = Buffer.from([0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 8])
export const getRequest = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'

export type Request = Parameters<RequestHandler>[0]
export type Response = http.ServerResponse

/** Both kinds of response do what these tests ask of one. */
export function handle(fn: (req: Request, res: Response) => void): RequestHandler {
  return (req, res) => fn(req, res as Response)
}

export const echo = handle((req, res) => {
  text(req).then(
    (body) => res.end(`${req.httpVersion} ${req.method} ${req.url} ${body}`),
    () => res.destroy(),
  )
})

export async function listen(
  t: Test,
  handler: RequestHandler = echo,
  changes: Partial<ListenerLimits> = {},
  options: ListenerOptions = {},
) {
  const listener = dualProtocolListener(handler, { ...limits, ...changes }, options)
  const sockets: net.Socket[] = []
  listener.on('connection', (socket: net.Socket) => sockets.push(socket))
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  t.teardown(() => listener.closeGracefully(0))
  return { listener, port: portOf(listener), sockets }
}

export function portOf(listener: net.Server): number {
  return (listener.address() as AddressInfo).port
}

/** A raw client that keeps its own side open and collects what it gets. */
export function dial(t: Test, port: number, ...bytes: (string | Uint8Array)[]) {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  let received = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => (received = Buffer.concat([received, chunk])))
  socket.on('error', () => undefined)
  t.teardown(() => socket.destroy())
  for (const part of bytes) socket.write(part)
  const ended = Promise.race([once(socket, 'end'), once(socket, 'close')])
  return {
    socket,
    ended: async () => {
      await ended
      return received.toString('latin1')
    },
    until: async (wanted: string) => {
      while (!received.includes(wanted)) await once(socket, 'data')
      return received.toString('latin1')
    },
  }
}

export function h1Get(port: number, options: http.RequestOptions = {}) {
  const req = http.get({ port, host: '127.0.0.1', ...options })
  return once(req, 'response').then(async ([res]: http.IncomingMessage[]) => {
    if (res === undefined) throw new Error('no response')
    return { res, body: await text(res) }
  })
}

export function h2Connect(t: Test, port: number, options: http2.ClientSessionOptions = {}) {
  const session = http2.connect(`http://127.0.0.1:${port}`, options)
  session.on('error', () => undefined)
  t.teardown(() => session.destroy())
  return session
}

export async function h2Get(session: http2.ClientHttp2Session, path = '/', body?: string) {
  const stream = session.request({ ':path': path, ':method': body === undefined ? 'GET' : 'POST' })
  stream.end(body)
  return text(stream)
}

/**
 * Waits until the server has read so many bytes of the connection that it accepted as number `index`,
 * and has had a turn to act on them.
 */
export async function haveRead(sockets: net.Socket[], index: number, bytes: number): Promise<void> {
  await until('the server to read the bytes', () => (sockets[index]?.bytesRead ?? -1) >= bytes)
  await turn()
}

export function connectionsOf(listener: DualListener): Promise<number> {
  return promisify(listener.getConnections.bind(listener))()
}

/** An idle connection of each kind. */
export async function idleConnections(t: Test, port: number) {
  const agent = new http.Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  await h1Get(port, { agent, path: '/idle' })
  const session = h2Connect(t, port)
  await h2Get(session, '/idle')
  const silent = dial(t, port)
  const undecided = dial(t, port, 'PR')
  // Connections are accepted in order, so both are when a later one is answered.
  await Promise.all([once(silent.socket, 'connect'), once(undecided.socket, 'connect')])
  await h1Get(port, { agent: false, path: '/idle' })
  return { gone: Promise.all([once(session, 'close'), silent.ended(), undecided.ended()]) }
}
