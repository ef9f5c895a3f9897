import { once } from 'node:events'
import net from 'node:net'
import { test } from 'tap'
import { type RunningApp, startApp } from '../../help/app.ts'
import { type Sample, samplesOf, sum } from '../../help/exposition.ts'
import { callers } from '../../e2e/callers.ts'
import { withoutDatabase } from './sums.ts'
import { until } from '../../help/until.ts'

/** The samples of a name, once there are so many; an exchange ends after its client has the answer. */
async function settled(app: RunningApp, name: string, count: number): Promise<Sample[]> {
  let samples: Sample[] = []
  await until(`${name} to be ${count}`, async () => {
    samples = await samplesOf(app.metrics, name)
    return sum(samples) >= count
  })
  return samples
}

const labelsOf = (samples: readonly Sample[]) => samples.map(({ labels }) => labels)

test('an exchange over REST has the attributes of the conventions for HTTP', async (t) => {
  const app = await startApp(t, { storage: 'sqlite', measured: true })
  await (await fetch(`${app.rest.url}/v1/users/7`)).bytes()
  const samples = await settled(app, 'http_server_request_duration_seconds_count', 1)
  t.strictSame(labelsOf(samples), [
    {
      http_request_method: 'GET',
      url_scheme: 'http',
      http_route: '/v1/users/{id}',
      http_response_status_code: '404',
      network_protocol_version: '1.1',
    },
  ])
})

test('a call over gRPC has the attributes of the conventions for RPC', async (t) => {
  const app = await startApp(t, { storage: 'sqlite', measured: true })
  const calls = callers(app)
  await calls.gRPC('getUser', { id: '7' })
  await calls['Connect JSON']('getUser', { id: '7' })
  const samples = await settled(app, 'rpc_server_call_duration_seconds_count', 2)
  t.strictSame(labelsOf(samples), [
    {
      rpc_system_name: 'grpc',
      rpc_method: 'api.user.v1.User/GetUser',
      rpc_response_status_code: 'NOT_FOUND',
    },
    {
      rpc_system_name: 'connectrpc',
      rpc_method: 'api.user.v1.User/GetUser',
      rpc_response_status_code: 'not_found',
    },
  ])
})

test('the sizes of bodies are those on the wire, over both versions of HTTP', async (t) => {
  const app = await startApp(t, { storage: 'sqlite', measured: true })
  const body = JSON.stringify({ name: 'Ada', email: 'ada@example.com' })
  const headers = { 'content-type': 'application/json' }
  const users = `${app.rest.url}/v1/users`
  const answer = await fetch(users, { method: 'POST', headers, body })
  const sent = (await answer.bytes()).byteLength
  const sizes = async (direction: string, count: number) => {
    await settled(app, `http_server_${direction}_body_size_bytes_count`, count)
    return sum(await samplesOf(app.metrics, `http_server_${direction}_body_size_bytes_sum`))
  }
  t.strictSame([await sizes('request', 1), await sizes('response', 1)], [body.length, sent])

  // Chunked, so that no header says how long it is.
  const chunked = new ReadableStream({
    start(controller) {
      controller.enqueue(Buffer.from(body.slice(0, 10)))
      controller.enqueue(Buffer.from(body.slice(10)))
      controller.close()
    },
  })
  const init = { method: 'POST', headers, body: chunked, duplex: 'half' }
  const taken = (await (await fetch(users, init as RequestInit)).bytes()).byteLength
  t.strictSame(
    [await sizes('request', 2), await sizes('response', 2)],
    [2 * body.length, sent + taken],
  )

  // A message of two bytes behind its five of gRPC: the id.
  await callers(app).gRPC('getUser', { id: '1' })
  t.equal(await sizes('request', 3), 2 * body.length + 7)
  t.ok((await sizes('response', 3)) > sent + taken + 5)
})

test('connections to MySQL, and the calls that wait for one, are counted', async (t) => {
  const app = await startApp(t, {
    storage: 'mysql',
    measured: true,
    configure({ data }) {
      Object.assign(data.database, { poolSize: 2, poolQueue: 1 })
    },
  })
  const get = async () => (await fetch(`${app.rest.url}/v1/users/1`)).bytes()
  await withoutDatabase(app, 2, async () => {
    const waiting = get()
    for (let wait = 0; wait < 100; wait += 1) {
      const pending = await samplesOf(app.metrics, 'db_client_connection_pending_requests')
      if (sum(pending) === 1) break
    }
    await get()
    const used = await samplesOf(app.metrics, 'db_client_connections')
    t.match(
      used.map(({ labels, value }) => [labels['db_client_connection_state'], value]),
      [
        ['used', 2],
        ['idle', 0],
      ],
    )
    await waiting
  })
  const most = await samplesOf(app.metrics, 'db_client_connection_max')
  t.equal(sum(most), 2)
  const refused = await samplesOf(app.metrics, 'server_requests_refused_total')
  const byLimit = Object.fromEntries(refused.map(({ labels, value }) => [labels['limit'], value]))
  t.match(byLimit, { pool_queue: 1, pool_wait: 1, max_body_bytes: 0 })
  t.equal(sum(await samplesOf(app.metrics, 'db_client_connection_timeouts_total')), 1)
  await get()
  const [statement] = await samplesOf(app.metrics, 'db_client_operation_duration_seconds_count')
  t.match(statement?.labels, {
    db_system_name: /^(mysql|mariadb)$/,
    db_operation_name: 'SELECT',
    db_collection_name: 'users',
    server_address: '127.0.0.1',
  })
})

test('what a limit refuses is counted by the name of its setting', async (t) => {
  const app = await startApp(t, { storage: 'sqlite', measured: true, maxConcurrentCalls: 0 })
  t.equal((await fetch(`${app.rest.url}/v1/users`)).status, 503)
  const refused = await samplesOf(app.metrics, 'server_requests_refused_total')
  t.match(
    refused.find(({ labels }) => labels['limit'] === 'max_concurrent_calls'),
    { value: 1 },
  )
})

/** A frame of HTTP/2 (RFC 9113, 4.1) on one stream. */
function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.byteLength, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

test('a client that breaks HTTP/2 when it is done has made no exchange of that', async (t) => {
  const app = await startApp(t, { storage: 'sqlite', measured: true })
  const socket = net.connect({ port: app.rest.port, host: '127.0.0.1' })
  socket.on('error', () => undefined)
  const text = (value: string) => Buffer.concat([Buffer.from([value.length]), Buffer.from(value)])
  // :method GET and :scheme http by their numbers in HPACK's table, :path and :authority by name.
  const path = [Buffer.from([0x82, 0x86, 0x04]), text('/healthz'), Buffer.from([0x01]), text('x')]
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
  socket.write(frame(4, 0, 0, Buffer.alloc(0)))
  socket.write(frame(1, 5, 1, Buffer.concat(path)))
  await settled(app, 'server_requests_code_total', 1)
  // An empty HEADERS frame for a stream that no client may open.
  socket.write(frame(1, 5, 2, Buffer.alloc(0)))
  await once(socket.resume(), 'close')
  const samples = await samplesOf(app.metrics, 'server_requests_code_total')
  t.match(samples, [{ labels: { operation: '/healthz', code: '200' }, value: 1 }])
  t.equal(samples.length, 1)
})
