import { once } from 'node:events'
import { copyFileSync, writeFileSync } from 'node:fs'
import http2 from 'node:http2'
import https from 'node:https'
import tls from 'node:tls'
import { createClient } from '@connectrpc/connect'
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node'
import { test, type Test } from 'tap'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { certificates } from '../help/certificates.ts'
import { freshSqlitePath } from '../help/db.ts'
import { startProcess } from '../help/process.ts'
import { until } from '../help/until.ts'

async function startSecure(t: Test, env: Record<string, string> = {}) {
  const authority = certificates(t)
  const server = authority.issue('server')
  const service = await startProcess(t, {
    SQLITE_PATH: freshSqlitePath(t),
    TLS_CERT_FILE: server.certFile,
    TLS_KEY_FILE: server.keyFile,
    ...env,
    ...(env.CLIENT_CA && { TLS_CLIENT_CA_FILE: authority.caFile }),
  })
  return { authority, server, service, portOf: (addr: string) => Number(addr.split(':')[1]) }
}

/** The status and body of a GET over HTTP/1.1. */
function get(url: string, options: https.RequestOptions): Promise<[number, string]> {
  return new Promise((resolve, reject) => {
    const request = https.get(url, { ...options, agent: false }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => (body += text))
      response.on('end', () => resolve([response.statusCode ?? 0, body]))
    })
    request.on('error', reject)
  })
}

async function peerName(port: number, options: tls.ConnectionOptions): Promise<string> {
  const socket = tls.connect({ port, host: '127.0.0.1', ...options })
  await once(socket, 'secureConnect')
  const { subject } = socket.getPeerCertificate()
  socket.destroy()
  return String(subject.CN)
}

test('both ports speak both HTTP versions and all protocols over TLS', async (t) => {
  const { authority, service } = await startSecure(t)
  const { ca } = authority
  const nodeOptions = { ca }
  const baseUrl = `https://${service.grpc}`
  const transports = [
    createGrpcTransport({ baseUrl, nodeOptions }),
    createGrpcWebTransport({ baseUrl, httpVersion: '2', nodeOptions }),
    createGrpcWebTransport({ baseUrl, httpVersion: '1.1', nodeOptions }),
    createConnectTransport({ baseUrl, httpVersion: '2', nodeOptions }),
    createConnectTransport({ baseUrl, httpVersion: '1.1', nodeOptions }),
  ]
  for (const [index, transport] of transports.entries()) {
    const users = createClient(User, transport)
    const email = `tls-${index}@example.org`
    t.match(await users.createUser({ name: 'Tls', email }), { email })
  }
  t.match(await get(`https://${service.http}/v1/users`, { ca }), [200, /"total":5/])
  const session = http2.connect(`https://${service.http}`, { ca })
  const stream = session.request({ ':path': '/v1/users/1' })
  const [headers] = await once(stream, 'response')
  t.equal(headers[':status'], 200)
  session.destroy()
})

test('a version below the least is refused, and clear text is no crash', async (t) => {
  const { authority, service, portOf } = await startSecure(t)
  const old = tls.connect({
    port: portOf(service.http),
    host: '127.0.0.1',
    ca: authority.ca,
    minVersion: 'TLSv1.1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  })
  await t.rejects(once(old, 'secureConnect'))
  await t.rejects(fetch(`http://${service.http}/healthz`))
  t.match(await get(`https://${service.http}/healthz`, { ca: authority.ca }), [200, /ok/])
})

test('with an authority for clients, only they get in', async (t) => {
  const { authority, service } = await startSecure(t, { CLIENT_CA: 'yes' })
  const { ca } = authority
  const { cert, key } = authority.issue('client')
  const stranger = certificates(t).issue('stranger')
  t.match(await get(`https://${service.http}/healthz`, { ca, cert, key }), [200, /ok/])
  await t.rejects(get(`https://${service.http}/healthz`, { ca }))
  await t.rejects(
    get(`https://${service.http}/healthz`, { ca, cert: stranger.cert, key: stranger.key }),
  )
  const baseUrl = `https://${service.grpc}`
  const users = createClient(User, createGrpcTransport({ baseUrl, nodeOptions: { ca, cert, key } }))
  t.match(await users.listUsers({}), { total: 0 })
  const refused = createClient(User, createGrpcTransport({ baseUrl, nodeOptions: { ca } }))
  await t.rejects(refused.listUsers({}))
})

test('a new certificate is shown once its files change, and a broken one never', async (t) => {
  const { authority, server, service, portOf } = await startSecure(t)
  const { ca } = authority
  const port = portOf(service.grpc)
  t.equal(await peerName(port, { ca }), 'server')
  const renewed = authority.issue('renewed')
  writeFileSync(server.certFile, 'not a certificate')
  const isTold = ({ level, msg }: Record<string, unknown>) =>
    level === 'error' && /certificate/.test(String(msg))
  await until('the error of the broken one', () => service.lines.some(isTold))
  t.equal(await peerName(port, { ca }), 'server', 'the one before stays')
  const told = service.lines.filter(isTold).length
  writeFileSync(server.certFile, '')
  await until('the error of the empty one', () => service.lines.filter(isTold).length > told)
  t.equal(await peerName(port, { ca }), 'server', 'and does where a file is being written')
  copyFileSync(renewed.keyFile, server.keyFile)
  copyFileSync(renewed.certFile, server.certFile)
  await until('the new one', async () => (await peerName(port, { ca })) === 'renewed')
})

test('a stop over TLS finishes what is in flight', async (t) => {
  const { authority, service } = await startSecure(t, { DRAIN_DELAY: '0.3s' })
  const { ca } = authority
  const baseUrl = `https://${service.grpc}`
  const users = createClient(User, createGrpcTransport({ baseUrl, nodeOptions: { ca } }))
  await users.listUsers({})
  service.kill('SIGTERM')
  const calls = Array.from({ length: 20 }, (_, i) =>
    users.createUser({ name: 'Stop', email: `stop-${i}@example.org` }),
  )
  t.equal((await Promise.all(calls)).length, 20)
  t.equal(await service.exit, 0, service.stderr())
})
