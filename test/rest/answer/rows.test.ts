import { create } from '@bufbuild/protobuf'
import { DurationSchema } from '@bufbuild/protobuf/wkt'
import { Code, ConnectError } from '@connectrpc/connect'
import { test } from 'tap'
import { RetryInfoSchema } from '../../../src/gen/google/rpc/error_details_pb.ts'
import { httpStatusKey } from '../../../src/call/context.ts'
import type { RawAnswer } from '../../e2e/raw.ts'
import { protocols } from '../listen.ts'
import { type Row, serveRow, testRows, violation } from '../row.ts'

/** Rows of the table in docs/rest.md about answers, and about how long a call may take. */
const rows: Record<string, Row> = {
  'a method may set headers and the status; its trailers go before the body': {
    rules: { A: { post: '/a' } },
    handler(_message, { responseHeader, responseTrailer, values }) {
      responseHeader.set('Location', '/a/1')
      responseHeader.set('Content-Length', '3')
      responseTrailer.set('X-Cost', '7')
      values.set(httpStatusKey, 201)
      return { id: '1' }
    },
    steps: [
      {
        send: 'POST /a',
        status: 201,
        answer: { location: '/a/1', 'trailer-x-cost': '7', 'x-cost': null },
        json: { id: '1' },
      },
    ],
  },
  'an error says when to try again and how to authenticate': {
    rules: { A: { get: '/a' }, B: { get: '/b' } },
    handler(_message, { method }) {
      if (method.name === 'B')
        throw new ConnectError('who?', Code.Unauthenticated, {
          'WWW-Authenticate': 'Bearer realm="x"',
        })
      const retryDelay = create(DurationSchema, { seconds: 2n, nanos: 1 })
      const details = [{ desc: RetryInfoSchema, value: { retryDelay } }]
      throw new ConnectError('later', Code.Unavailable, undefined, details)
    },
    steps: [
      {
        send: 'GET /a',
        status: 503,
        answer: { 'retry-after': '3' },
        json: { code: 503, message: 'later' },
      },
      { send: 'GET /b', status: 401, answer: { 'www-authenticate': 'Bearer realm="x"' } },
    ],
  },
  'timeouts: the least of three spellings holds, and a bad one is refused': {
    rules: { A: { get: '/a' } },
    handler: (_message, { timeoutMs }) => ({ count: BigInt(Math.ceil((timeoutMs() ?? 0) / 1000)) }),
    steps: [
      { send: 'GET /a', status: 200, json: { count: '0' } },
      {
        send: 'GET /a',
        headers: { 'Connect-Timeout-Ms': '5000' },
        status: 200,
        json: { count: '5' },
      },
      { send: 'GET /a', headers: { 'Grpc-Timeout': '1M' }, status: 200, json: { count: '60' } },
      { send: 'GET /a', headers: { 'X-Server-Timeout': '7.5' }, status: 200, json: { count: '8' } },
      {
        send: 'GET /a',
        headers: { 'Connect-Timeout-Ms': '5000', 'Grpc-Timeout': '3S', 'X-Server-Timeout': '7' },
        status: 200,
        json: { count: '3' },
      },
      ...[
        ['Connect-Timeout-Ms', '-1'],
        ['Grpc-Timeout', '10'],
        ['X-Server-Timeout', 'NaN'],
      ].map(([name = '', value = '']) => ({
        send: 'GET /a',
        headers: { [name]: value },
        status: 400,
        ...violation(name.toLowerCase()),
      })),
    ],
  },
}

testRows(rows)

for (const protocol of protocols)
  test(`HEAD has the headers of GET, its length too (${protocol})`, async (t) => {
    const { ask } = await serveRow(t, { rules: { A: { get: '/a/{id}' } }, steps: [] })
    const get = await ask[protocol]({ target: '/a/1' })
    const head = await ask[protocol]({ method: 'HEAD', target: '/a/1' })
    const fields = ({ headers }: RawAnswer) => [...headers].filter(([name]) => name !== 'date')
    t.equal(get.headers.get('content-length'), String(get.body.length))
    t.strictSame(fields(head), fields(get))
    t.equal(head.body, '')
  })
