import { brotliCompressSync, gzipSync } from 'node:zlib'
import { Code, ConnectError } from '@connectrpc/connect'
import { codeToString, errorFromJsonBytes } from '@connectrpc/connect/protocol-connect'
import { findTrailerError } from '@connectrpc/connect/protocol-grpc'
import { trailerParse } from '@connectrpc/connect/protocol-grpc-web'
import { test } from 'tap'
import { ErrorInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts'
import { startApp } from '../help/app.ts'
import { h2Client } from './h2.ts'
import { exchange, exchangeBytes, type RawAnswer, type RawRequest } from './raw.ts'
import { get, idRule, inside, json, limits, post, user } from './refused.ts'

const accepted =
  'application/json, application/proto, application/grpc, application/grpc+proto, application/grpc+json, application/grpc-web, application/grpc-web+proto, application/grpc-web+json, application/grpc-web-text, application/grpc-web-text+proto'

interface RpcRefusal {
  code: string
  reason: string
  metadata?: Record<string, string>
}

function facts(error: ConnectError | undefined): RpcRefusal {
  if (error === undefined) return { code: '', reason: '' }
  const [info] = error.findDetails(ErrorInfoSchema)
  return {
    code: codeToString(error.code),
    reason: info?.reason ?? '',
    metadata: { ...info?.metadata },
  }
}

function readConnect({ headers, body }: RawAnswer): RpcRefusal {
  if (headers.get('content-type') !== 'application/json') return { code: '', reason: '' }
  const unreadable = new ConnectError(`unreadable: ${body}`, Code.DataLoss)
  return facts(errorFromJsonBytes(Buffer.from(body), undefined, unreadable))
}

/** The trailers, which are headers where there is nothing else. */
function readGrpc({ headers, trailers }: RawAnswer): RpcRefusal {
  return facts(findTrailerError(trailers.has('grpc-status') ? trailers : headers))
}

function readGrpcWeb({ headers, bytes }: RawAnswer): RpcRefusal {
  if (headers.has('grpc-status')) return facts(findTrailerError(headers))
  return facts(findTrailerError(trailerParse(bytes.subarray(5))))
}

function envelope(payload: string | Uint8Array, flags = 0, claimed?: number): Buffer {
  const data = Buffer.from(payload)
  const head = Buffer.alloc(5)
  head.writeUInt8(flags)
  head.writeUInt32BE(claimed ?? data.byteLength, 1)
  return Buffer.concat([head, data])
}

interface RpcCase {
  /** Of the Connect protocol; 200 in the others. */
  status: number
  code: string
  reason: string
  metadata?: Record<string, string>
  connectJson?: { body: string | Uint8Array; headers?: Record<string, string> }
  connectBinary?: { body: string | Uint8Array; headers?: Record<string, string> }
  /** gRPC and gRPC-Web, which frame alike. */
  framed?: { body: Uint8Array; headers?: Record<string, string>; code?: string }
  /** The same with JSON in the frames. */
  framedJson?: { body: Uint8Array; headers?: Record<string, string> }
  method?: string
}

const bytes = (...values: number[]) => Uint8Array.from(values)
const malformed = { status: 400, code: 'invalid_argument', reason: 'MALFORMED_BODY' }
const exhausted = { status: 429, code: 'resource_exhausted', reason: 'BODY_TOO_LARGE' }
const unimplemented = { status: 501, code: 'unimplemented', reason: 'MALFORMED_REQUEST' }
const zippy = { 'grpc-encoding': 'zippy' }
const gzip = { 'grpc-encoding': 'gzip' }
const twice = Buffer.concat([brotliCompressSync(''), brotliCompressSync('')])
const bomb = gzipSync(' '.repeat(100_000))

const rpcCases: Record<string, RpcCase> = {
  'JSON that ends early': { ...malformed, connectJson: { body: '{"name":' } },
  ...Object.fromEntries(
    ['12345678901234567890', '-9007199254740993', '1e30', '1.5e400'].map((number) => {
      const body = `{"name":${number},"email":"n@example.com"}`
      const metadata = { name: 'must be a string' }
      return [
        `the number ${number} for a text`,
        {
          ...malformed,
          metadata,
          connectJson: { body },
          framedJson: { body: envelope(body) },
        },
      ]
    }),
  ),
  ...Object.fromEntries(
    ['"0x10"', '"+1"', '" 1"', '"01"', '""', '"1x"', '[]', '9223372036854775808', '1.5'].map(
      (id) => {
        const body = `{"id":${id}}`
        return [
          `the id ${id}`,
          {
            ...malformed,
            metadata: { id: idRule },
            method: `${user}/DeleteUser`,
            connectJson: { body },
            framedJson: { body: envelope(body) },
          },
        ]
      },
    ),
  ),
  'JSON of another message': { ...malformed, connectJson: { body: '[]' } },
  'a number for a text': {
    ...malformed,
    metadata: { name: 'must be a string' },
    connectJson: { body: '{"name":5}' },
  },
  'binary that ends early': {
    ...malformed,
    connectBinary: { body: bytes(0x0a, 9, 0x61) },
    framed: { body: envelope(bytes(0x0a, 9, 0x61)) },
  },
  'binary with a text that is not UTF-8': {
    ...malformed,
    connectBinary: { body: bytes(0x0a, 1, 0xff) },
    framed: { body: envelope(bytes(0x0a, 1, 0xff)) },
  },
  'binary with a surrogate': {
    ...malformed,
    connectBinary: { body: bytes(0x0a, 3, 0xed, 0xa0, 0x80) },
    framed: { body: envelope(bytes(0x0a, 3, 0xed, 0xa0, 0x80)) },
  },
  'an envelope that ends in its head': { ...malformed, framed: { body: bytes(0, 0, 0) } },
  'an envelope that ends in its message': { ...malformed, framed: { body: envelope('abc', 0, 9) } },
  'no envelope at all': { ...unimplemented, framed: { body: bytes() } },
  'two envelopes': {
    ...unimplemented,
    framed: { body: Buffer.concat([envelope(''), envelope('')]) },
  },
  'bytes that are not gzip': {
    ...malformed,
    connectJson: { body: '{}', headers: { 'content-encoding': 'gzip' } },
    connectBinary: { body: 'no gzip', headers: { 'content-encoding': 'gzip' } },
    framed: { body: envelope('no gzip', 1), headers: gzip },
  },
  'bytes that go on after their end in Brotli': {
    ...malformed,
    connectJson: { body: twice, headers: { 'content-encoding': 'br' } },
    connectBinary: { body: twice, headers: { 'content-encoding': 'br' } },
    framed: { body: envelope(twice, 1), headers: { 'grpc-encoding': 'br' } },
  },
  'an unknown compression': {
    ...unimplemented,
    connectJson: { body: '{}', headers: { 'content-encoding': 'zippy' } },
    connectBinary: { body: '', headers: { 'content-encoding': 'zippy' } },
    framed: { body: envelope('x', 1), headers: zippy },
  },
  'a compressed envelope without a compression': {
    ...malformed,
    framed: { body: envelope('x', 1), code: 'internal' },
  },
  'an over-large message': {
    ...exhausted,
    connectJson: { body: ' '.repeat(4096) },
    connectBinary: { body: new Uint8Array(4096) },
    framed: { body: envelope(new Uint8Array(4096)) },
  },
  'a message that claims to be over-large': {
    ...exhausted,
    framed: { body: envelope('abc', 0, 4_000_000_000) },
  },
  'a message that is over-large once it is decompressed': {
    ...exhausted,
    connectJson: { body: bomb, headers: { 'content-encoding': 'gzip' } },
    connectBinary: { body: bomb, headers: { 'content-encoding': 'gzip' } },
    framed: { body: envelope(bomb, 1), headers: gzip },
  },
  'a timeout that is no number': {
    status: 400,
    code: 'invalid_argument',
    reason: 'MALFORMED_REQUEST',
    connectJson: { body: '{}', headers: { 'connect-timeout-ms': 'soon' } },
    connectBinary: { body: '', headers: { 'connect-timeout-ms': 'soon' } },
    framed: { body: envelope(''), headers: { 'grpc-timeout': 'soon' } },
  },
  'an unknown method': {
    status: 404,
    code: 'unimplemented',
    reason: 'ROUTE_NOT_FOUND',
    method: '/api.user.v1.User/Forget',
    connectJson: { body: '{}' },
    connectBinary: { body: '' },
    framed: { body: envelope('') },
  },
  'an unknown service': {
    status: 404,
    code: 'unimplemented',
    reason: 'ROUTE_NOT_FOUND',
    method: '/api.nobody.v1.Nobody/Forget',
    connectJson: { body: '{}' },
    connectBinary: { body: '' },
    framed: { body: envelope('') },
  },
}

test('each refusal of the RPC port has the form of its protocol, with ErrorInfo', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite', ...limits })
  const request = h2Client(t, rpc.url)
  for (const [what, rpcCase] of Object.entries(rpcCases)) {
    const { status, code, reason, metadata = {}, method = `${user}/CreateUser` } = rpcCase
    const { connectJson, connectBinary, framed, framedJson } = rpcCase
    const kinds = [
      ['application/json', connectJson, readConnect],
      ['application/proto', connectBinary, readConnect],
      ['application/grpc', framed, readGrpc],
      ['application/grpc+proto', framed, readGrpc],
      ['application/grpc-web', framed, readGrpcWeb],
      ['application/grpc-web+proto', framed, readGrpcWeb],
      ['application/grpc+json', framedJson, readGrpc],
      ['application/grpc-web+json', framedJson, readGrpcWeb],
    ] as const
    await t.test(`${what} is refused`, async (t) => {
      for (const [type, sent, read] of kinds) {
        if (sent === undefined) continue
        const answer = await request(
          { ':method': 'POST', ':path': method, 'content-type': type, ...sent.headers },
          sent.body,
        )
        const isFramed = sent === framed || sent === framedJson
        t.equal(answer.status, isFramed ? 200 : status, type)
        t.strictSame(read(answer), {
          code: (isFramed && framed?.code) || code,
          reason,
          metadata,
        })
        t.notMatch(
          `${answer.body}${JSON.stringify([...answer.trailers])}`,
          inside,
          'nothing of the inside',
        )
      }
    })
  }
})

test('Connect JSON that is not UTF-8 is refused', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite' })
  const body = Buffer.from('{"name":"\xff","email":"ada@example.com"}', 'latin1')
  const request: RawRequest = {
    method: 'POST',
    target: `${user}/CreateUser`,
    headers: json,
    body,
  }
  t.equal((await exchange(rpc.port, request)).status, 400)
})

test('a Connect GET that cannot be read is refused', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite' })
  const target = `${user}/GetUser?connect=v1&encoding=json&message=`
  for (const message of ['%7B', '%FF', ''])
    t.strictSame(readConnect(await exchange(rpc.port, get(target + message))), {
      code: 'invalid_argument',
      reason: 'MALFORMED_BODY',
      metadata: {},
    })
})

test('a Connect GET is refused the same whatever content type it gives', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite' })
  const target = `${user}/GetUser?connect=v1&encoding=json&message=%7B%22id%22%3A%221%22%7D`
  for (const type of ['', 'application/json', 'application/proto; x=y']) {
    const headers = { 'Connect-Timeout-Ms': '1x', 'Content-Type': type }
    const answer = await exchange(rpc.port, { target, headers })
    t.strictSame(readConnect(answer), {
      code: 'invalid_argument',
      reason: 'MALFORMED_REQUEST',
      metadata: {},
    })
  }
})

test('a wrong method on the RPC port is 405 with what is allowed', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite' })
  for (const [rpcMethod, method, allow, type = ''] of [
    ['CreateUser', 'GET', 'POST'],
    ['CreateUser', 'PUT', 'POST'],
    ['UpdateUser', 'PATCH', 'POST'],
    ['ListUsers', 'DELETE', 'GET, POST'],
    ['GetUser', 'HEAD', 'GET, POST'],
    // Connect alone has calls by GET, and not for streams.
    ['GetUser', 'GET', 'POST', 'application/grpc'],
    ['GetUser', 'GET', 'POST', 'application/grpc-web+proto'],
    ['WatchUsers', 'GET', 'POST'],
    ['WatchUsers', 'GET', 'POST', 'application/connect+json'],
    ['WatchUsers', 'GET', 'POST', 'application/grpc'],
    ['WatchUsers', 'PUT', 'POST'],
  ] as const) {
    const headers: Record<string, string> = type ? { 'Content-Type': type } : {}
    const answer = await exchange(rpc.port, { method, target: `${user}/${rpcMethod}`, headers })
    t.equal(answer.status, 405, `${method} ${rpcMethod} ${type}`)
    t.equal(answer.headers.get('allow'), allow)
    if (method !== 'HEAD') t.match(readConnect(answer), { reason: 'METHOD_NOT_ALLOWED' })
  }
})

test('a content type is read, not compared as text', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite' })
  const request = h2Client(t, rpc.url)
  const sent = { ':method': 'POST', ':path': `${user}/ListUsers` }
  for (const type of [
    'application/json; charset="utf-8"',
    'application/json;',
    'application/json ; charset=UTF8',
    'Application/JSON; charset="UTF-8"; profile=x',
  ])
    t.equal((await request({ ...sent, 'content-type': type }, '{}')).status, 200, type)
  for (const type of [
    'application/grpc; charset=utf-8',
    'application/grpc+proto; charset="utf-8"',
    'application/grpc;',
  ]) {
    const { trailers } = await request({ ...sent, 'content-type': type }, envelope(''))
    t.equal(trailers.get('grpc-status'), '0', type)
  }
  const latin1 = { ...sent, 'content-type': 'application/json; charset="iso-8859-1"' }
  t.equal((await request(latin1, '{}')).status, 415)
})

test('no refusal names an option of a library', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite', ...limits })
  const request = h2Client(t, rpc.url)
  const sent = { ':method': 'POST', ':path': `${user}/CreateUser` }
  const large = await request({ ...sent, 'content-type': 'application/json' }, ' '.repeat(4096))
  t.match(large.body, /the message is larger than 2048 bytes, the most that is accepted/)
  const framed = envelope(new Uint8Array(4096))
  const grpc = await request({ ...sent, 'content-type': 'application/grpc' }, framed)
  t.match(grpc.trailers.get('grpc-message'), /^the message is larger than 2048 bytes/)
  for (const type of ['application/connect+json', 'application/grpc-web']) {
    const watch = { ...sent, ':path': '/grpc.health.v1.Health/Watch', 'content-type': type }
    const { body } = await request(watch, framed)
    t.match(body, /the message is larger than 2048 bytes, the most that is accepted/, type)
  }
})

test('a timeout that is none says what its header may be, in each protocol', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite' })
  const request = h2Client(t, rpc.url)
  const call = (path: string, type: string, name: string, body: Buffer | string) =>
    request({ ':method': 'POST', ':path': path, 'content-type': type, [name]: '1.5x' }, body)
  const watch = '/grpc.health.v1.Health/Watch'
  const connectRule = /connect-timeout-ms must be milliseconds of at most 10 digits/
  for (const [path, type, body] of [
    [`${user}/GetUser`, 'application/json', '{}'],
    [watch, 'application/connect+json', envelope('{}')],
  ] as const)
    t.match((await call(path, type, 'connect-timeout-ms', body)).body, connectRule, path)
  for (const path of [`${user}/GetUser`, watch]) {
    const rule = /grpc-timeout must be at most 8 digits and one of H M S m u n/
    const { trailers } = await call(path, 'application/grpc', 'grpc-timeout', envelope(''))
    t.match(trailers.get('grpc-message'), rule, path)
    t.match((await call(path, 'application/grpc-web', 'grpc-timeout', envelope(''))).body, rule)
  }
})

test('a stream names the content types of streams', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite' })
  for (const type of ['application/json', 'text/plain', 'application/proto']) {
    const watch = { method: 'POST', target: `${user}/WatchUsers`, body: '{}' }
    const answer = await exchange(rpc.port, { ...watch, headers: { 'Content-Type': type } })
    t.equal(answer.status, 415, type)
    const list = answer.headers.get('accept-post')
    t.match(
      list,
      /^application\/connect\+json, application\/connect\+proto, application\/grpc,/,
      type,
    )
    t.notMatch(list, /application\/json/, type)
    t.match(list, 'application/grpc-web-text', type)
    const sync = { ...watch, target: `${user}/SyncUsers` }
    const both = await exchange(rpc.port, { ...sync, headers: { 'Content-Type': type } })
    t.notMatch(both.headers.get('accept-post'), 'grpc-web-text', type)
  }
})

test('an unknown content type on the RPC port is 415 with what is accepted', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite' })
  for (const type of ['text/plain', 'application/xml', 'application/json; charset=utf-16', '']) {
    const headers: Record<string, string> = type ? { 'Content-Type': type } : {}
    const target = `${user}/CreateUser`
    const answer = await exchange(rpc.port, { method: 'POST', target, headers, body: '{}' })
    t.equal(answer.status, 415, type || 'none')
    t.equal(answer.headers.get('accept-post'), accepted)
    t.match(readConnect(answer), { reason: 'UNSUPPORTED_MEDIA_TYPE' })
  }
})

test('what is no request is refused on the RPC port in the form of Connect', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite', ...limits })
  const garbage = await exchangeBytes(rpc.port, 'hello\r\n\r\n')
  t.equal(garbage.status, 400)
  t.match(readConnect(garbage), { code: 'invalid_argument', reason: 'MALFORMED_REQUEST' })
  const headers = { 'X-Long': 'x'.repeat(5000) }
  const long = await exchange(rpc.port, { target: `${user}/ListUsers`, headers })
  t.equal(long.status, 431)
  t.match(readConnect(long), { code: 'resource_exhausted', reason: 'HEADERS_TOO_LARGE' })
  const url = await exchange(rpc.port, get('/%ZZ'))
  t.equal(url.status, 400)
  t.match(readConnect(url), { code: 'invalid_argument', reason: 'MALFORMED_URL' })
})

const unknownRoutes: Record<string, RawRequest> = {
  'a path of REST': post('{}'),
  'malformed JSON': { method: 'POST', target: '/x', headers: json, body: '{' },
  'an empty JSON body': { method: 'POST', target: '/x', headers: json, body: '' },
  QUERY: { method: 'QUERY', target: '/x' },
}

test('an unknown route on the RPC port is not found, whatever is sent there', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite' })
  for (const [what, request] of Object.entries(unknownRoutes)) {
    const answer = await exchange(rpc.port, request)
    t.equal(answer.status, 404, what)
    t.match(readConnect(answer), { code: 'unimplemented', reason: 'ROUTE_NOT_FOUND' }, what)
  }
})

const bareId = '{"id":9007199254740993}'

test('a bare 64-bit integer in JSON is read exactly', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite' })
  const request = h2Client(t, rpc.url)
  const sent = { ':method': 'POST', ':path': `${user}/GetUser` }
  const cases = [
    [{ 'content-type': 'application/json' }, bareId, readConnect],
    [
      { 'content-type': 'application/json', 'content-encoding': 'gzip' },
      gzipSync(bareId),
      readConnect,
    ],
    [{ 'content-type': 'application/grpc+json' }, envelope(bareId), readGrpc],
    [{ 'content-type': 'application/grpc-web+json' }, envelope(bareId), readGrpcWeb],
    [{ 'content-type': 'application/grpc+json', ...gzip }, envelope(gzipSync(bareId), 1), readGrpc],
  ] as const
  for (const [headers, body, read] of cases) {
    const { metadata } = read(await request({ ...sent, ...headers }, body))
    t.strictSame(metadata, { user_id: '9007199254740993' }, headers['content-type'])
  }
  const queries = [
    `message=${encodeURIComponent(bareId)}`,
    `base64=1&message=${Buffer.from(bareId).toString('base64url')}`,
    `base64=1&message=${encodeURIComponent(Buffer.from(bareId).toString('base64'))}`,
    `base64=1&compression=gzip&message=${gzipSync(bareId).toString('base64url')}`,
    `base64=1&compression=br&message=${brotliCompressSync(bareId).toString('base64url')}`,
  ]
  for (const query of queries) {
    const target = `${user}/GetUser?connect=v1&encoding=json&${query}`
    const byGet = readConnect(await exchange(rpc.port, get(target)))
    t.strictSame(byGet.metadata, { user_id: '9007199254740993' }, query)
  }
})

test('the message of a Connect GET is the bytes of its query', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite' })
  for (const [query, id] of [
    ['encoding=proto&message=%08%AC%02', '300'],
    ['encoding=proto&message=%08+', '32'],
    ['encoding=proto&%6Dessage=%08%AC%02&message=%08%01', '300'],
    ['encoding=proto&base64=1&message=CKwC', '300'],
    // A "+" of base64 is a digit, and there padding may stand as it is.
    ['encoding=proto&base64=1&message=CL4+', '7998'],
    ['encoding=proto&base64=1&message=CAE=', '1'],
  ] as const) {
    const answer = await exchange(rpc.port, get(`${user}/GetUser?connect=v1&${query}`))
    t.strictSame(readConnect(answer).metadata, { user_id: id }, query)
  }
  const broken = `${user}/GetUser?connect=v1&encoding=proto&message=%08%A`
  t.match(readConnect(await exchange(rpc.port, get(broken))), { reason: 'MALFORMED_URL' })
})

test('a Connect GET whose message is no base64 is refused where it says that it is', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite' })
  const target = `${user}/ListUsers?connect=v1&encoding=json&base64=1&message=`
  for (const message of ['@@@e@@30!', 'e30.', 'e30%00', 'e', '%FF'])
    t.strictSame(
      readConnect(await exchange(rpc.port, get(target + message))),
      { code: 'invalid_argument', reason: 'MALFORMED_BODY', metadata: {} },
      message,
    )
  for (const message of ['e30', 'e30=', 'e30%3D'])
    t.equal((await exchange(rpc.port, get(target + message))).status, 200, message)
})

test('compressed calls, and those in a query, are refused by the same words', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite' })
  const request = h2Client(t, rpc.url)
  const metadata = { id: idRule }
  const body = '{"id":"0x10"}'
  const sent = { ':method': 'POST', ':path': `${user}/DeleteUser` }
  for (const [headers, bytes, read] of [
    [
      { 'content-type': 'application/json', 'content-encoding': 'gzip' },
      gzipSync(body),
      readConnect,
    ],
    [{ 'content-type': 'application/grpc+json', ...gzip }, envelope(gzipSync(body), 1), readGrpc],
    [
      { 'content-type': 'application/grpc-web+json', ...gzip },
      envelope(gzipSync(body), 1),
      readGrpcWeb,
    ],
  ] as const)
    t.match(read(await request({ ...sent, ...headers }, bytes)), {
      code: 'invalid_argument',
      reason: 'MALFORMED_BODY',
      metadata,
    })
  for (const query of [
    `message=${encodeURIComponent(body)}`,
    `base64=1&compression=gzip&message=${gzipSync(body).toString('base64url')}`,
  ]) {
    const target = `${user}/GetUser?connect=v1&encoding=json&${query}`
    t.match(readConnect(await exchange(rpc.port, get(target))), {
      reason: 'MALFORMED_BODY',
      metadata,
    })
  }
})

test('a refusal over gRPC has a message that is readable as it stands', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite' })
  const request = h2Client(t, rpc.url)
  const body = envelope('{"updateMask":"é%, \\"x\\"","user":{},"id":1}')
  const sent = { ':method': 'POST', ':path': `${user}/UpdateUser` }
  // Compressed calls are answered by Connect, the others are not.
  for (const headers of [{}, { 'grpc-encoding': 'gzip' }]) {
    const type = 'application/grpc+json'
    const grpc = await request({ ...sent, ...headers, 'content-type': type }, body)
    const message = grpc.trailers.get('grpc-message') ?? ''
    t.match(message, /^update_mask: has the unknown path "%C3%A9%25"; allowed are \*, name/)
    t.equal(findTrailerError(grpc.trailers)?.rawMessage, decodeURIComponent(message))
    const web = await request(
      { ...sent, ...headers, 'content-type': 'application/grpc-web+json' },
      body,
    )
    t.match(web.body, /grpc-message: update_mask: has the unknown path "%C3%A9%25"; allowed/)
  }
  const nowhere = { ':method': 'POST', ':path': '/a,b', 'content-type': 'application/grpc' }
  const { headers } = await request(nowhere, envelope(''))
  t.match(headers.get('grpc-message'), /^there is no route POST \/a,b; here are paths such as/)
})

test('a stream and the service of Kratos have the reasons that calls have', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite' })
  const request = h2Client(t, rpc.url)
  const call = (path: string, headers: Record<string, string>, body: Buffer) =>
    request(
      { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', ...headers },
      body,
    )
  const gzip = { 'grpc-encoding': 'gzip' }
  for (const path of ['/grpc.health.v1.Health/Watch', '/grpc.health.v1.Health/Check'])
    t.match(readGrpc(await call(path, gzip, envelope('no gzip', 1))), {
      code: 'invalid_argument',
      reason: 'MALFORMED_BODY',
    })
  t.match(readGrpc(await call('/kratos.api.Metadata/GetServiceDesc', {}, envelope('\n\x01x'))), {
    code: 'not_found',
    reason: 'SERVICE_NOT_FOUND',
  })
})

test('an unknown compression is refused with the list of those that are known', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite' })
  const request = h2Client(t, rpc.url)
  for (const [type, given, taken] of [
    ['application/json', 'content-encoding', 'accept-encoding'],
    ['application/proto', 'content-encoding', 'accept-encoding'],
    ['application/grpc', 'grpc-encoding', 'grpc-accept-encoding'],
    ['application/grpc-web', 'grpc-encoding', 'grpc-accept-encoding'],
  ] as const) {
    const sent = { ':method': 'POST', ':path': `${user}/GetUser`, 'content-type': type }
    const { headers } = await request({ ...sent, [given]: 'zippy' }, envelope(''))
    t.equal(headers.get(taken), 'gzip,br', type)
  }
})

test('caches are told that an answer to a Connect GET depends on what is accepted', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite' })
  for (const message of ['{"pageSize":1}', '{"id":1}', '{']) {
    const query = `connect=v1&encoding=json&message=${encodeURIComponent(message)}`
    const answer = await exchange(rpc.port, get(`${user}/ListUsers?${query}`))
    t.equal(answer.headers.get('vary'), 'Accept-Encoding')
  }
})
