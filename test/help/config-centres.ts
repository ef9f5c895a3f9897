import { createHmac } from 'node:crypto'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

/** A config centre with one document. */
export interface Centre {
  /** How the service reaches it. */
  env: Record<string, string>
  /** Undefined: deletes it. */
  put: (text: string | undefined) => unknown
  stop: () => unknown
  /** Runs it again after `stop`; left out: it cannot. */
  start?: () => unknown
}

/** What the KV API of Consul's agent does with one key, as its documentation has it. */
export async function fakeConsul(t: Test): Promise<Centre> {
  let index = 7
  let value: string | undefined
  const held = new Set<() => void>()
  const { address, stop } = await serve(t, (req, res) => {
    const { pathname, searchParams } = new URL(req.url ?? '', 'http://consul')
    function answer(): void {
      held.delete(answer)
      res.setHeader('x-consul-index', index)
      const known = value !== undefined && pathname === '/v1/kv/config/user-service/config.yaml'
      const entry = { Key: pathname.slice(7), Value: Buffer.from(value ?? '').toString('base64') }
      if (known) res.end(JSON.stringify([{ ...entry, ModifyIndex: index }]))
      else res.writeHead(404).end()
    }
    if (req.headers['x-consul-token'] !== 'hunter2') res.writeHead(403).end()
    else if (searchParams.get('index') === String(index)) held.add(answer)
    else answer()
  })
  return {
    env: { CONFIG_SOURCES: 'consul', CONSUL_ADDRESS: address, CONSUL_TOKEN: 'hunter2' },
    put(text) {
      value = text
      index += 1
      for (const answer of held) answer()
    },
    stop,
  }
}

/** What the config service of Apollo does with one namespace, as its API has it, with access keys. */
export async function fakeApollo(t: Test): Promise<Centre> {
  let release = 0
  let text: string | undefined
  const held = new Set<() => void>()

  function signed({ url = '', headers }: IncomingMessage): boolean {
    const hmac = createHmac('sha1', 'hunter2').update(`${String(headers.timestamp)}\n${url}`)
    return headers.authorization === `Apollo user-service:${hmac.digest('base64')}`
  }
  function config({ searchParams, pathname }: URL, res: ServerResponse): void {
    const known = pathname === '/configs/user-service/default/config.yaml' && text !== undefined
    if (!known) return void res.writeHead(404).end('{"status":404}')
    if (searchParams.get('releaseKey') === `r${release}`) return void res.writeHead(304).end()
    const configurations = { content: text }
    const named = { appId: 'user-service', cluster: 'default', namespaceName: 'config.yaml' }
    res.end(JSON.stringify({ ...named, configurations, releaseKey: `r${release}` }))
  }
  function notifications({ searchParams }: URL, res: ServerResponse): void {
    const [asked] = JSON.parse(searchParams.get('notifications') ?? '') as [
      { notificationId: number; namespaceName: string },
    ]
    function answer(): void {
      held.delete(answer)
      res.end(JSON.stringify([{ ...asked, notificationId: release }]))
    }
    // The service answers at once where a release is newer than the asker's.
    if (release > 0 && asked.notificationId !== release) answer()
    else held.add(answer)
  }
  const { address, stop } = await serve(t, (req, res) => {
    const url = new URL(req.url ?? '', 'http://apollo')
    if (!signed(req)) res.writeHead(401).end()
    else if (url.pathname === '/notifications/v2') notifications(url, res)
    else config(url, res)
  })
  return {
    env: { CONFIG_SOURCES: 'apollo', APOLLO_ADDRESS: address, APOLLO_SECRET: 'hunter2' },
    put(next) {
      text = next
      release += 1
      for (const answer of held) answer()
    },
    stop,
  }
}

async function serve(t: Test, handle: (req: IncomingMessage, res: ServerResponse) => void) {
  const server = http.createServer(handle)
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  function stop(): void {
    server.closeAllConnections()
    server.close()
  }
  t.teardown(stop)
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, stop }
}
