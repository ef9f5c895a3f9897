import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { kubernetesDiscovery } from '../../src/fleet/kubernetes/discovery.ts'
import { certificates } from '../help/certificates.ts'
import { until } from '../help/until.ts'
import { follow, reported } from './reported.ts'

interface Asked {
  path: string
  query: URLSearchParams
  authorization: string
  res: ServerResponse
}

/** The API server's side of two requests, and the account of a pod that may make them. */
async function fakeApi(t: Test) {
  const authority = certificates(t)
  const { cert, key } = authority.issue('server')
  const account = mkdtempSync(join(tmpdir(), 'test-account-'))
  const write = (name: string, text: string) => writeFileSync(join(account, name), text)
  write('ca.crt', authority.ca.toString())
  write('namespace', 'shop\n')
  write('token', 'first\n')
  const asked: Asked[] = []
  const server = https.createServer({ cert, key }, (req, res) => {
    const { pathname, searchParams } = new URL(req.url ?? '', 'https://api')
    const { authorization = '' } = req.headers
    asked.push({ path: pathname, query: searchParams, authorization, res })
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
    rmSync(account, { recursive: true })
  })
  const told = reported()
  const discovery = kubernetesDiscovery(
    {
      server: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
      account,
      namespace: '',
      timeoutMs: 3000,
    },
    told.report,
  )
  t.teardown(() => discovery.close())
  return {
    ...told,
    discovery,
    rotate: (token: string) => write('token', token),
    /** The oldest request that has not been answered. */
    async next(): Promise<Asked> {
      await until('a request', () => asked.length > 0)
      return asked.shift() as Asked
    },
  }
}

type Endpoint = { addresses: string[]; conditions?: object; targetRef?: object }

function slice(name: string, endpoints: Endpoint[], ports = [9000, 8000], version = '5') {
  const [grpc, http] = ports
  return {
    metadata: { name, resourceVersion: version },
    addressType: 'IPv4',
    ports: [
      { name: 'grpc', port: grpc },
      { name: 'http', port: http },
      { name: 'metrics', port: 9090 },
    ],
    endpoints,
  }
}

const listOf = (items: object[], resourceVersion: string) =>
  JSON.stringify({ kind: 'EndpointSliceList', metadata: { resourceVersion }, items })

const event = (type: string, object: object) => `${JSON.stringify({ type, object })}\n`

test('ready endpoints of all slices are found, with the ports of their own slice', async (t) => {
  const api = await fakeApi(t)
  const { lists, finds } = follow(api.discovery, 'user-service')
  const { path, query, authorization, res } = await api.next()
  t.equal(path, '/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices')
  t.equal(query.get('labelSelector'), 'kubernetes.io/service-name=user-service')
  t.equal(authorization, 'Bearer first')
  const pod = (name: string) => ({ targetRef: { kind: 'Pod', name } })
  const items = [
    slice('a', [
      { addresses: ['10.0.0.1'], conditions: { ready: true }, ...pod('p1') },
      { addresses: ['10.0.0.2'], conditions: { ready: false }, ...pod('p2') },
      { addresses: ['10.0.0.3'], conditions: { ready: true, terminating: true }, ...pod('p3') },
      { addresses: ['10.0.0.4'], ...pod('p4') },
    ]),
    slice('b', [{ addresses: ['fd00::1'], ...pod('p5') }], [9001, 8001]),
    {
      metadata: { name: 'd' },
      ports: [{ name: 'grpc', port: 9000, appProtocol: 'https' }],
      endpoints: [{ addresses: ['10.0.0.6'], ...pod('p6') }],
    },
    { metadata: { name: 'c' }, ports: null, endpoints: null },
    { metadata: {} },
  ]
  res.end(listOf(items, '7'))
  await finds(
    'grpc://10.0.0.1:9000',
    'http://10.0.0.1:8000',
    'grpc://10.0.0.4:9000',
    'http://10.0.0.4:8000',
    'grpc://[fd00::1]:9001',
    'http://[fd00::1]:8001',
    'grpcs://10.0.0.6:9000',
  )
  t.strictSame(
    lists[0]?.map(({ id }) => id),
    ['p1', 'p4', 'p5', 'p6'],
  )
  await api.says(/^broken user-service: it has no name/)
})

test('a watch brings each change, and the next one goes on where it has ended', async (t) => {
  const api = await fakeApi(t)
  const { finds } = follow(api.discovery, 'user-service.users')
  const list = await api.next()
  t.equal(list.path, '/apis/discovery.k8s.io/v1/namespaces/users/endpointslices')
  list.res.end(listOf([slice('a', [{ addresses: ['10.0.0.1'] }])], '7'))
  await finds('grpc://10.0.0.1:9000', 'http://10.0.0.1:8000')
  api.rotate('second')

  const watch = await api.next()
  t.equal(watch.query.get('resourceVersion'), '7')
  t.equal(watch.query.get('allowWatchBookmarks'), 'true')
  // An event in two pieces, as TCP may bring it.
  const added = event('ADDED', slice('b', [{ addresses: ['10.0.0.2'] }], [9000, 8000], '8'))
  watch.res.write(added.slice(0, 100))
  watch.res.write(added.slice(100))
  await finds(
    'grpc://10.0.0.1:9000',
    'http://10.0.0.1:8000',
    'grpc://10.0.0.2:9000',
    'http://10.0.0.2:8000',
  )
  watch.res.write(event('DELETED', slice('a', [], [9000, 8000], '9')))
  await finds('grpc://10.0.0.2:9000', 'http://10.0.0.2:8000')
  watch.res.end(event('BOOKMARK', { metadata: { resourceVersion: '12' } }))

  const following = await api.next()
  t.equal(following.query.get('resourceVersion'), '12')
  t.equal(following.authorization, 'Bearer second')
})

test('a version that is too old is an event of the watch, after which the list is read anew', async (t) => {
  const api = await fakeApi(t)
  const { finds } = follow(api.discovery, 'user-service')
  const first = await api.next()
  first.res.end(listOf([slice('a', [{ addresses: ['10.0.0.1'] }])], '7'))
  const watch = await api.next()
  watch.res.end(
    event('ERROR', { code: 410, reason: 'Expired', message: 'too old resource version' }),
  )
  await api.says(/^stale user-service: Kubernetes has ended the watch: too old resource version/)
  const second = await api.next()
  t.equal(second.query.get('watch'), null)
  second.res.end(listOf([slice('a', [{ addresses: ['10.0.0.2'] }])], '9'))
  await finds('grpc://10.0.0.2:9000', 'http://10.0.0.2:8000')
})

test('an account without the permission is told what it may not do', async (t) => {
  const api = await fakeApi(t)
  follow(api.discovery, 'user-service')
  const { res } = await api.next()
  const message = 'endpointslices.discovery.k8s.io is forbidden'
  res.writeHead(403).end(JSON.stringify({ kind: 'Status', message, code: 403 }))
  await api.says(/^stale user-service: Kubernetes has answered 403: endpointslices\S+ is forbidden/)
})
