import http from 'node:http'
import type net from 'node:net'

/** The response to a CONNECT request, for which node:http makes none. The connection ends with it. */
export function connectResponse(
  req: http.IncomingMessage,
  socket: net.Socket,
): http.ServerResponse {
  const res = new http.ServerResponse(req)
  res.shouldKeepAlive = false
  res.assignSocket(socket)
  res.once('finish', () => socket.destroySoon())
  return res
}
