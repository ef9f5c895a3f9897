import http, { type ClientRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import type { SecureContextOptions } from 'node:tls'
import { ConnectError } from '@connectrpc/connect'
import { connectionError, lostPeer } from './lost.ts'

/** TLS towards a peer. */
export interface PeerTls extends SecureContextOptions {
  /** The name that the peer's certificate must have; its host if left out. */
  servername?: string
}

/** A peer, by its base URL, and how it is reached. */
interface Peer {
  baseUrl: string
  /** The maximum milliseconds to open a connection. */
  connectTimeoutMs: number
  /** A function is asked for each new connection. */
  tls?: PeerTls | (() => PeerTls) | undefined
}

/** One request. */
interface Outgoing {
  method: string
  /** The raw path and query, below the path of the base URL. */
  target: string
  headers: OutgoingHttpHeaders
  /** A text that is there, or the chunks of one that is still being made. */
  body: string | Readable | undefined
  signal: AbortSignal
}

/** An answer whose body is not read yet. */
export interface Answer {
  request: ClientRequest
  response: IncomingMessage
}

/** The connections to one peer. */
export interface Connections {
  /**
   * Sends a request and gives the answer as soon as its head is there. Rejects with unavailable for
   * a peer that is lost (see lostPeer), and with any error if the signal aborts.
   */
  send(outgoing: Outgoing): Promise<Answer>
  /** Closes all connections; open calls fail. */
  close(): void
}

/**
 * Opens connections to a peer as calls need them, and keeps them alive between calls. By node:http
 * and not by fetch, which removes `..` from paths, refuses a GET with a body, cannot close its
 * connections, and does not tell whether a request was sent.
 */
export function connectionsTo({ baseUrl, connectTimeoutMs, tls }: Peer): Connections {
  const { protocol, hostname, port, pathname } = new URL(baseUrl)
  const secure = protocol === 'https:'
  const agent = secure ? tlsAgent(tls) : new http.Agent(keptAlive)
  // A URL has the address of IPv6 in brackets, which the resolver does not know.
  const host = hostname.replace(/^\[|\]$/g, '')
  const prefix = pathname.replace(/\/$/, '')
  const peer = { host, port: port || (secure ? 443 : 80), agent }
  const { request } = secure ? https : http
  let closed = false

  function send({ method, target, headers, body, signal }: Outgoing): Promise<Answer> {
    if (closed) {
      if (typeof body === 'object') body.destroy()
      return Promise.reject(lostPeer(new Error('it is closed'), { sent: false }))
    }
    const path = `${prefix}${target}`
    const sending = request({ ...peer, method, path, headers: framed(headers, body) })
    const answer = answerTo(sending, secure, connectTimeoutMs)
    stopBy(sending, signal)
    if (body === undefined || typeof body === 'string') sending.end(body)
    else pour(body, sending)
    return answer
  }

  return {
    send,
    close() {
      closed = true
      agent.destroy()
    },
  }
}

const keptAlive = { keepAlive: true }

function tlsAgent(tls: Peer['tls']): https.Agent {
  if (typeof tls !== 'function') return new https.Agent({ ...tls, ...keptAlive })
  const agent = new https.Agent(keptAlive)
  const connect = agent.createConnection.bind(agent)
  agent.createConnection = (options, told) => connect({ ...options, ...tls() }, told)
  return agent
}

/** Node would send the body of a GET or DELETE without a length, as the beginning of the next request. */
function framed(headers: OutgoingHttpHeaders, body: Outgoing['body']): OutgoingHttpHeaders {
  if (body === undefined) return headers
  return typeof body === 'string'
    ? { ...headers, 'content-length': Buffer.byteLength(body) }
    : { ...headers, 'transfer-encoding': 'chunked' }
}

function answerTo(
  request: ClientRequest,
  secure: boolean,
  connectTimeoutMs: number,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const connected = secure ? 'secureConnect' : 'connect'
  let sent = false
  request.once('socket', (socket: Socket) => {
    if (request.reusedSocket) return void (sent = true)
    const timer = setTimeout(() => request.destroy(connectTimeout()), connectTimeoutMs)
    const over = () => clearTimeout(timer)
    socket.once(connected, () => (sent = true)).once(connected, over)
    request.once('close', over)
  })
  request.once('response', (response) => resolve({ request, response }))
  request.on('error', (err) => reject(connectionError(err, { sent })))
  // Node ends the request of a peer that changes the protocol (101) without an error.
  request.once('close', () => reject(lostPeer(new Error('it has not answered'), { sent })))
  return promise
}

function connectTimeout(): Error {
  return Object.assign(new Error('connect ETIMEDOUT'), { code: 'ETIMEDOUT' })
}

function stopBy(request: ClientRequest, signal: AbortSignal): void {
  const stop = () => void request.destroy()
  if (signal.aborted) return stop()
  signal.addEventListener('abort', stop, { once: true })
  request.once('close', () => signal.removeEventListener('abort', stop))
}

/** Writes a body as it is made. A body that fails breaks its request. */
function pour(body: Readable, request: ClientRequest): void {
  body.once('error', (err) => request.destroy(ConnectError.from(err)))
  request.once('close', () => body.destroy())
  body.pipe(request)
}
