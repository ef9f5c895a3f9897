import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Server } from 'node:net'
import { type Client, createClient } from '@connectrpc/connect'
import type { Test } from 'tap'
import { restTransport, type RestTransportOptions } from '../../../src/client/rest/transport.ts'
import { User } from '../../../src/gen/api/user/v1/user_pb.ts'

export type Dialect = RestTransportOptions['dialect']
type Handler = (request: IncomingMessage, response: ServerResponse) => unknown

/** A server on a free port, closed with its connections when the test ends. Gives its port. */
export async function listening(t: Test, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(async () => {
    if (server instanceof http.Server) server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return (server.address() as AddressInfo).port
}

/** A peer that answers as the handler says, by its URL. */
export async function peer(t: Test, handler: Handler) {
  const server = http.createServer((request, response) => void handler(request, response))
  return { server, url: `http://127.0.0.1:${await listening(t, server)}` }
}

/** A transport to a peer, closed when the test ends. */
export function transportTo(t: Test, baseUrl: string, options: Partial<RestTransportOptions> = {}) {
  const transport = restTransport({ baseUrl, dialect: 'kratos3', ...options })
  t.teardown(() => transport.close())
  return transport
}

/** A client of users at a peer that answers as the handler says. */
export async function usersAt(
  t: Test,
  handler: Handler,
  options: Partial<RestTransportOptions> = {},
): Promise<Client<typeof User>> {
  const { url } = await peer(t, handler)
  return createClient(User, transportTo(t, url, options))
}

/** A handler that answers each request alike. */
export function answering(
  status: number,
  body: string | Buffer,
  headers: Record<string, string> = { 'content-type': 'application/json' },
): Handler {
  return (request, response) => {
    request.resume()
    response.writeHead(status, headers).end(body)
  }
}
