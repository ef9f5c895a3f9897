import type http from 'node:http'
import type net from 'node:net'
import fastify from 'fastify'
import { test } from 'tap'
import type { RequestHandler } from '../../../src/server/listener/arrival.ts'
import { dualProtocolListener } from '../../../src/server/listener/listener.ts'
import {
  dial,
  getRequest,
  h1Get,
  h2Connect,
  h2Get,
  idleConnections,
  limits,
  portOf,
} from './listening.ts'
import { until } from '../../help/until.ts'

function fastifyApp(options: { forceCloseConnections?: boolean } = {}) {
  const app = fastify({
    ...options,
    serverFactory: (handler) =>
      dualProtocolListener(handler as RequestHandler, limits) as net.Server as http.Server,
  })
  app.get('/idle', () => 'idle')
  return app
}

test('Fastify closes while connections of each kind are open', async (t) => {
  const app = fastifyApp()
  const begun: unknown[] = []
  const released = Promise.withResolvers<void>()
  app.get('/slow', async (req) => {
    begun.push(req)
    await released.promise
    return 'slow'
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const port = portOf(app.server)
  const idle = await idleConnections(t, port)
  const session = h2Connect(t, port)
  const answers = Promise.all([h1Get(port, { path: '/slow' }), h2Get(session, '/slow')])
  await until('the beginning of the requests', () => begun.length === 2)
  const closed = app.close()
  await until('the listener to close', () => !app.server.listening)
  released.resolve()
  await closed
  const [h1, h2] = await answers
  t.match(h1, { body: 'slow', res: { headers: { connection: 'close' } } })
  t.equal(h2, 'slow')
  await idle.gone
})

test('Fastify destroys what is under way when it is told to', async (t) => {
  const app = fastifyApp({ forceCloseConnections: true })
  const begun = Promise.withResolvers<void>()
  app.get('/stuck', () => {
    begun.resolve()
    return new Promise(() => undefined)
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const raw = dial(t, portOf(app.server), getRequest.replace('/', '/stuck'))
  await begun.promise
  await app.close()
  t.equal(await raw.ended(), '')
})

test('Fastify answers a client error in its own words', async (t) => {
  const app = fastifyApp()
  t.teardown(() => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.match(await dial(t, portOf(app.server), 'what\r\n\r\n').ended(), /"message":"Client Error"/)
})
