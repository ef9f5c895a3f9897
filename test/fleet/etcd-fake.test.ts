// What a real etcd cannot be made to do: servers of the test's own.
import { createServer } from 'node:http2'
import { createServer as createTcpServer, type Socket } from 'node:net'
import type { ConnectRouter } from '@connectrpc/connect'
import { connectNodeAdapter } from '@connectrpc/connect-node'
import { test, type Test } from 'tap'
import { etcdRegistry } from '../../src/fleet/etcd/registry.ts'
import { aborted } from '../../src/fleet/keep.ts'
import { KV, Lease, Maintenance, Watch } from '../../src/gen/etcd/rpc_pb.ts'
import { until } from '../help/until.ts'
import { follow, reported } from './reported.ts'

const instance = {
  id: 'a',
  name: 'user.service',
  version: '',
  metadata: {},
  endpoints: ['grpc://10.0.0.1:9000'],
}

/** The registry over a server with these services and a status. */
async function registryOver(t: Test, routes: (router: ConnectRouter) => void) {
  const server = createServer(
    connectNodeAdapter({
      routes(router) {
        router.service(Maintenance, { status: () => ({}) })
        routes(router)
      },
    }),
  )
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as { port: number }
  return registryAt(t, `http://127.0.0.1:${port}`)
}

function registryAt(t: Test, url: string, timeoutMs = 3000) {
  const told = reported()
  const made = etcdRegistry(
    {
      endpoints: [url],
      username: '',
      password: '',
      tls: { caFile: '', certFile: '', keyFile: '' },
      timeoutMs,
      names: { namespace: '/microservices', goZeroKey: '', kitexName: '' },
      ttl: 1,
    },
    told.report,
  )
  t.teardown(async () => {
    await made.registrar.withdraw()
    await made.discovery.close()
  })
  return { ...told, ...made }
}

test('a list is read anew when etcd has compacted the changes since', async (t) => {
  let lists = 0
  const { discovery, says } = await registryOver(t, (router) => {
    router.service(KV, {
      range({ key }) {
        if (!Buffer.from(key).toString().startsWith('/')) return {}
        lists += 1
        const endpoints = [`grpc://10.0.0.${lists}:9000`]
        const value = Buffer.from(JSON.stringify({ ...instance, endpoints }))
        return { header: { revision: 7n }, kvs: [{ key, value }] }
      },
    })
    router.service(Watch, {
      async *watch(_requests, { signal }) {
        if (lists === 1) yield { canceled: true, compactRevision: 9n }
        else await aborted(signal)
      },
    })
  })
  await follow(discovery, 'user.service').finds('grpc://10.0.0.2:9000')
  await says(/^stale user\.service: etcd has compacted/)
})

/** Grants leases and takes keys; `beats` answers the beats. */
function leases(router: ConnectRouter, beats: (signal: AbortSignal) => AsyncIterable<object>) {
  router.service(KV, { put: () => ({ header: { revision: 7n } }) })
  router.service(Lease, {
    leaseGrant: () => ({ ID: 1n, TTL: 1n }),
    leaseRevoke: () => ({}),
    leaseKeepAlive: (_beats, { signal }) => beats(signal),
  })
  router.service(Watch, {
    async *watch(_requests, { signal }) {
      yield {}
      await aborted(signal)
    },
  })
}

test('a lease whose beats are not answered counts as lost, though the connection is alive', async (t) => {
  const { registrar, says } = await registryOver(t, (router) =>
    leases(router, async function* silent(signal) {
      yield { ID: 1n, TTL: 1n }
      await aborted(signal)
    }),
  )
  registrar.announce(instance)
  await says(/^announced kratos/)
  await says(/^lost kratos: no beat was answered for/)
  await says(/^announced kratos/, 2)
})

test('a beat that is answered by a time of 0 tells that the lease has ended', async (t) => {
  const { registrar, says } = await registryOver(t, (router) =>
    leases(router, async function* ended() {
      yield { ID: 1n, TTL: 0n }
    }),
  )
  registrar.announce(instance)
  await says(/^lost kratos: the lease has expired/)
  await says(/^announced kratos/, 2)
})

test('a handshake that a member does not answer is given up, and begun anew', async (t) => {
  const silent = new Set<Socket>()
  const server = createTcpServer((socket) => silent.add(socket.on('error', () => undefined)))
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of silent) socket.destroy()
    server.close()
  })
  const { port } = server.address() as { port: number }
  const { discovery } = registryAt(t, `https://127.0.0.1:${port}`, 100)
  follow(discovery, 'user.service')
  await until('another connection', () => silent.size > 1)
})
