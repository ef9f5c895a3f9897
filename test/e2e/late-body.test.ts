import { once } from 'node:events'
import http2 from 'node:http2'
import { gzipSync } from 'node:zlib'
import { test, type Test } from 'tap'
import { type RunningApp, startApp } from '../help/app.ts'
import { until } from '../help/until.ts'
import { dial } from './dial.ts'

const body = Buffer.from('{"name":"Late","email":"late@example.org"}')
const zipped = gzipSync(body)
const envelope = Buffer.concat([Buffer.from([0, 0, 0, 0, body.byteLength]), body])
const zippedEnvelope = Buffer.concat([Buffer.from([1, 0, 0, 0, zipped.byteLength]), zipped])

interface Row {
  port: 'rest' | 'rpc'
  headers: Record<string, string>
  body: Buffer
}

const connect = { 'content-type': 'application/json', 'connect-timeout-ms': '100' }
const grpc = { 'content-type': 'application/grpc+json', 'grpc-timeout': '100m', te: 'trailers' }
const grpcWeb = { 'content-type': 'application/grpc-web+json', 'grpc-timeout': '100m' }
const rest = { 'content-type': 'application/json', 'x-server-timeout': '0.1' }

/** Creates of each protocol, with a deadline that will be over before their bodies are there. */
const rows: Record<string, Row> = {
  REST: { port: 'rest', headers: rest, body },
  'REST with gzip': {
    port: 'rest',
    headers: { ...rest, 'content-encoding': 'gzip' },
    body: zipped,
  },
  Connect: { port: 'rpc', headers: connect, body },
  'Connect with gzip': {
    port: 'rpc',
    headers: { ...connect, 'content-encoding': 'gzip' },
    body: zipped,
  },
  gRPC: { port: 'rpc', headers: grpc, body: envelope },
  'gRPC with gzip': {
    port: 'rpc',
    headers: { ...grpc, 'grpc-encoding': 'gzip' },
    body: zippedEnvelope,
  },
  'gRPC-Web': { port: 'rpc', headers: grpcWeb, body: envelope },
  'gRPC-Web with gzip': {
    port: 'rpc',
    headers: { ...grpcWeb, 'grpc-encoding': 'gzip' },
    body: zippedEnvelope,
  },
}

const pathOf = ({ port }: Row) => (port === 'rest' ? '/v1/users' : '/api.user.v1.User/CreateUser')

/** Sends all but the last byte, and that once there is an answer. */
async function overHttp1(app: RunningApp, row: Row): Promise<void> {
  const lines = Object.entries({ host: 'x', 'content-length': row.body.length, ...row.headers })
  const head = [`POST ${pathOf(row)} HTTP/1.1`, ...lines.map((line) => line.join(': ')), '', '']
  const socket = dial(`127.0.0.1:${app[row.port].port}`, head.join('\r\n'))
  socket.write(row.body.subarray(0, -1))
  await once(socket, 'data')
  socket.end(row.body.subarray(-1))
  await once(socket.resume(), 'close')
}

async function overHttp2(app: RunningApp, row: Row): Promise<void> {
  const session = http2.connect(app[row.port].url)
  session.on('error', () => undefined)
  const head = { ':method': 'POST', ':path': pathOf(row), ...row.headers }
  const stream = session.request(head).resume()
  stream.on('error', () => undefined)
  stream.write(row.body.subarray(0, -1))
  await once(stream, 'response')
  if (stream.writable) stream.end(row.body.subarray(-1))
  if (!stream.closed) await once(stream, 'close')
  session.destroy()
}

async function isEnded(t: Test, act: typeof overHttp1): Promise<void> {
  const app = await startApp(t, { storage: 'sqlite' })
  const lines = () => app.log().filter(({ kind }) => kind === 'server')
  for (const [name, row] of Object.entries(rows)) {
    const before = lines().length
    await act(app, row)
    await until('the line of the call', () => lines().length > before)
    t.match(lines().slice(before), [{ code: 504, reason: 'DEADLINE_EXCEEDED' }], name)
  }
  const list = await fetch(`${app.rest.url}/v1/users`)
  t.match(await list.json(), { users: [] }, 'none is carried out when its body comes after all')
}

test('a call over HTTP/1.1 whose body is not there at its client’s deadline ends', (t) =>
  isEnded(t, overHttp1))

test('a call over HTTP/2 whose body is not there at its client’s deadline ends', (t) =>
  isEnded(t, overHttp2))
