import { findTrailerError } from '@connectrpc/connect/protocol-grpc'
import { Code } from '@connectrpc/connect'
import { test, type Test } from 'tap'
import { ErrorInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts'
import { type RunningApp, startApp } from '../help/app.ts'
import { h2Client } from './h2.ts'

const createOrder = '/api.order.v1.Order/CreateOrder'
const watchUsers = '/api.user.v1.User/WatchUsers'
const rule = 'must contain no more than 100 item(s)'

/** Half a million empty items: field 4, of no bytes. */
const items = Buffer.from('"\0'.repeat(500_000), 'latin1')
/** A million ids of 0: field 3, packed, of 1,000,000 bytes. */
const ids = Buffer.concat([Buffer.from([0x1a, 0xc0, 0x84, 0x3d]), Buffer.alloc(1_000_000)])

function enveloped(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.byteLength, 1)
  return Buffer.concat([head, message])
}

interface Sent {
  type: string
  body: string | Buffer
}

async function post(url: string, { type, body }: Sent) {
  const headers = { 'content-type': type }
  const answer = await fetch(url, { method: 'POST', headers, body })
  return { status: answer.status, text: await answer.text() }
}

/** Calls a method over gRPC and checks the field that its error names. */
async function isRefusedByGrpc(
  t: Test,
  app: RunningApp,
  path: string,
  body: Buffer,
  field: string,
) {
  const headers = { 'content-type': 'application/grpc', te: 'trailers' }
  const sent = { ':method': 'POST', ':path': path, ...headers }
  const answer = await h2Client(t, app.rpc.url)(sent, enveloped(body))
  // An error without messages before it has its trailers in the head.
  const error = findTrailerError(answer.trailers) ?? findTrailerError(answer.headers)
  t.equal(error?.code, Code.InvalidArgument, path)
  t.strictSame(error?.findDetails(ErrorInfoSchema)[0]?.metadata, { [field]: rule }, path)
}

test('a list of hundreds of thousands of elements is refused by its limit', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })

  await t.test('REST', async (s) => {
    for (const count of [10_000, 300_000]) {
      const body = `{"userId":"1","items":[${'{},'.repeat(count - 1)}{}]}`
      const { status, text } = await post(`${app.rest.url}/v1/orders`, {
        type: 'application/json',
        body,
      })
      s.equal(status, 400)
      s.match(JSON.parse(text), { reason: 'INVALID_ORDER_INPUT', metadata: { items: rule } })
      s.strictSame((JSON.parse(text) as { metadata: object }).metadata, { items: rule })
    }
  })

  await t.test('Connect', async (s) => {
    const sent = { type: 'application/proto', body: items }
    const { status, text } = await post(app.rpc.url + createOrder, sent)
    s.equal(status, 400)
    s.match(JSON.parse(text), { code: 'invalid_argument', message: `items: ${rule}` })
  })

  await t.test('a stream of Connect', async (s) => {
    const sent = { type: 'application/connect+proto', body: enveloped(ids) }
    const { text } = await post(app.rpc.url + watchUsers, sent)
    s.match(JSON.parse(text.slice(5)), {
      error: { code: 'invalid_argument', message: `ids: ${rule}` },
    })
  })

  await t.test('gRPC', async (s) => {
    await isRefusedByGrpc(s, app, createOrder, items, 'items')
    await isRefusedByGrpc(s, app, watchUsers, ids, 'ids')
  })
})
