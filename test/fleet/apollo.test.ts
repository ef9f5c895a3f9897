import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'tap'
import { apolloConfigSource } from '../../src/fleet/apollo/config-source.ts'
import { until } from '../help/until.ts'

test('a document is followed where the question for its changes has no answer', async (t) => {
  let level = 'info'
  const server = createServer(({ url = '' }, res) => {
    const configurations = { content: `log: {level: ${level}}` }
    if (url.startsWith('/notifications/')) res.writeHead(504).end()
    else if (url.endsWith(`?releaseKey=${level}`)) res.writeHead(304).end()
    else res.end(JSON.stringify({ releaseKey: level, configurations }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const ended = new AbortController()
  t.teardown(() => {
    ended.abort()
    server.closeAllConnections()
    server.close()
  })
  const named = { appId: 'user-service', cluster: 'default', namespace: 'config.yaml', secret: '' }
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const told: unknown[] = []
  const source = apolloConfigSource({ ...named, url, timeoutMs: 1000 })
  const following = source.follow(ended.signal, (text) => told.push(text))
  const count = (length: number) => until(`${length} texts`, () => told.length === length)
  await Promise.race([count(1), following])
  level = 'warn'
  await Promise.race([count(2), following])
  ended.abort()
  await following
  t.strictSame(told, ['log: {level: info}', 'log: {level: warn}'])
})
