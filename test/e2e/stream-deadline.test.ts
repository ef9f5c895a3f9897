import { createClient } from '@connectrpc/connect'
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node'
import { test } from 'tap'
import { ServerReflection } from '../../src/gen/grpc/reflection/v1/reflection_pb.ts'
import { startApp } from '../help/app.ts'
import { h2Client } from './h2.ts'

const watch = '/grpc.health.v1.Health/Watch'

function frame(payload: string): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(payload.length, 1)
  return Buffer.concat([head, Buffer.from(payload)])
}

test('a stream that its client’s deadline ends says so in each protocol', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite' })
  const request = h2Client(t, rpc.url)
  const call = (type: string, headers: Record<string, string>, body: Buffer) =>
    request({ ':method': 'POST', ':path': watch, 'content-type': type, ...headers }, body)
  const timeout = { 'grpc-timeout': '300m' }
  const grpc = await call('application/grpc', timeout, frame(''))
  t.equal(grpc.trailers.get('grpc-status'), '4')
  const web = await call('application/grpc-web', timeout, frame(''))
  t.match(web.body, /grpc-status: 4\r\n/)
  const connectTimeout = { 'connect-timeout-ms': '300' }
  const connect = await call('application/connect+json', connectTimeout, frame('{}'))
  t.match(connect.body, /"code":"deadline_exceeded"/)
  t.match(connect.body, /DEADLINE_EXCEEDED/)
})

test('a stream whose deadline is over before it begins ends at once in each protocol', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite' })
  const request = h2Client(t, rpc.url)
  const call = (type: string, headers: Record<string, string>, body: Buffer) =>
    request({ ':method': 'POST', ':path': watch, 'content-type': type, ...headers }, body)
  const grpc = await call('application/grpc', { 'grpc-timeout': '0S' }, frame(''))
  t.equal(grpc.trailers.get('grpc-status'), '4')
  t.equal(grpc.body, '')
  const web = await call('application/grpc-web', { 'grpc-timeout': '0n' }, frame(''))
  t.match(web.body, /grpc-status: 4\r\n/)
  const timeout = { 'connect-timeout-ms': '0' }
  const connect = await call('application/connect+json', timeout, frame('{}'))
  t.match(connect.body, /"code":"deadline_exceeded"/)
  t.match(connect.body, /DEADLINE_EXCEEDED/)
})

test('a deadline that is over before the message has come has its reason', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite' })
  const request = h2Client(t, rpc.url)
  const path = '/api.user.v1.User/ListUsers'
  const type = { 'content-type': 'application/grpc-web', 'grpc-encoding': 'zstd' }
  const { body } = await request(
    { ':method': 'POST', ':path': path, ...type, 'grpc-timeout': '0m' },
    frame(''),
  )
  t.match(body, /grpc-status: 4\r\n/)
  const [, details = ''] = /grpc-status-details-bin: (\S+)/.exec(body) ?? []
  t.match(Buffer.from(details, 'base64').toString(), /DEADLINE_EXCEEDED/)
})

test('a stream lasts however long its client’s deadline is', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite' })
  const request = h2Client(t, rpc.url)
  for (const [transport, headers] of [
    [createGrpcTransport({ baseUrl: rpc.url }), { 'grpc-timeout': '99999999H' }],
    [
      createConnectTransport({ baseUrl: rpc.url, httpVersion: '2' }),
      { 'connect-timeout-ms': '9999999999' },
    ],
  ] as const) {
    const { promise: later, resolve } = Promise.withResolvers<void>()
    const question = { messageRequest: { case: 'listServices', value: '' } } as const
    async function* questions() {
      yield question
      await later
      yield question
    }
    let answers = 0
    for await (const _ of createClient(ServerReflection, transport).serverReflectionInfo(
      questions(),
      { headers },
    )) {
      answers += 1
      // Longer than a timer that fires at once.
      for (let calls = 0; calls < 20; calls += 1)
        await request({ ':method': 'GET', ':path': '/nowhere' })
      resolve()
    }
    t.equal(answers, 2)
  }
})
