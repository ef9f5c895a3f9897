import { Code, ConnectError } from '@connectrpc/connect'
import { codeToString } from '@connectrpc/connect/protocol-connect'
import { test } from 'tap'
import { ErrorInfoSchema } from '../../../src/gen/google/rpc/error_details_pb.ts'
import { answering, type Dialect, usersAt } from './peer.ts'

async function failureOf(call: Promise<unknown>): Promise<ConnectError> {
  const outcome = await call.then(
    (value) => new Error(`it succeeded: ${JSON.stringify(value)}`),
    (err: unknown) => err,
  )
  if (outcome instanceof ConnectError) return outcome
  throw outcome
}

function infoOf(err: ConnectError) {
  const [info] = err.findDetails(ErrorInfoSchema)
  return info && { reason: info.reason, metadata: info.metadata, domain: info.domain }
}

const both: Dialect[] = ['kratos2', 'kratos3']

/** The statuses that Kratos maps back, in transport/http/status. */
const codes: Record<number, string> = {
  400: 'invalid_argument',
  401: 'unauthenticated',
  403: 'permission_denied',
  404: 'not_found',
  409: 'aborted',
  418: 'unknown',
  422: 'unknown',
  429: 'resource_exhausted',
  499: 'canceled',
  500: 'internal',
  501: 'unimplemented',
  502: 'unknown',
  503: 'unavailable',
  504: 'deadline_exceeded',
}

for (const dialect of both)
  test(`each status of an error of Kratos has the code that Kratos gives it, in ${dialect}`, async (t) => {
    const all = { ...codes, 412: dialect === 'kratos2' ? 'unknown' : 'failed_precondition' }
    for (const [status, code] of Object.entries(all)) {
      const body = JSON.stringify({ code: 999, reason: 'WHY', message: 'so', metadata: { a: 'b' } })
      const users = await usersAt(t, answering(Number(status), body), { dialect })
      const err = await failureOf(users.getUser({ id: 1n }))
      t.equal(`${status} ${codeToString(err.code)}`, `${status} ${code}`)
      t.equal(err.rawMessage, 'so')
      t.strictSame(infoOf(err), { reason: 'WHY', metadata: { a: 'b' }, domain: '' })
    }
  })

test('an error has the headers of its answer, and is marked as one of the peer', async (t) => {
  const headers = { 'content-type': 'application/protojson', 'retry-after': '3' }
  const users = await usersAt(t, answering(429, '{"code":429,"reason":"RATELIMIT"}', headers))
  const err = await failureOf(users.getUser({ id: 1n }))
  t.equal(err.metadata.get('retry-after'), '3')
  t.equal(err.isWireError, true)
})

test('an error in Go’s JSON, which leaves out what is empty, is read', async (t) => {
  const users = await usersAt(t, answering(404, '{"code":404,"reason":"GONE"}'))
  const err = await failureOf(users.getUser({ id: 1n }))
  t.equal(err.rawMessage, '')
  t.strictSame(infoOf(err), { reason: 'GONE', metadata: {}, domain: '' })
})

const html = { 'content-type': 'text/html' }
const foreign: [string, ReturnType<typeof answering>, Code, RegExp][] = [
  ['a gateway', answering(502, '<h1>Bad Gateway</h1>', html), Code.Unavailable, /502.*text\/html/],
  ['a full proxy', answering(503, '', {}), Code.Unavailable, /503.*no content type/],
  ['a late proxy', answering(504, 'upstream', html), Code.DeadlineExceeded, /504/],
  ['a router without the path', answering(404, '404 page', html), Code.Unimplemented, /404/],
  ['a router without the method', answering(405, '', html), Code.Unimplemented, /405/],
  [
    'a page of login',
    answering(302, '', { location: '/in' }),
    Code.Unknown,
    /302 and leads to \/in/,
  ],
  ['another API', answering(404, '{"error":{"code":5}}'), Code.Unimplemented, /no error of Kratos/],
  [
    'broken JSON',
    answering(400, '{"code":400,"reason'),
    Code.InvalidArgument,
    /no error of Kratos/,
  ],
  ['a page without an end', answering(500, 'x'.repeat(100_000), html), Code.Internal, /500/],
]

for (const [title, handler, code, message] of foreign)
  test(`an answer that is no error of Kratos is told as such: ${title}`, async (t) => {
    const users = await usersAt(t, handler)
    const err = await failureOf(users.getUser({ id: 1n }))
    t.match(err, { code, rawMessage: message })
    t.match(err.rawMessage, /^GET http:\/\/127\.0\.0\.1:\d+\/v1\/users\/\{id\} was answered/)
    t.notMatch(err.rawMessage, /Bad Gateway|xxx/)
    t.equal(infoOf(err), undefined)
  })

test('the beginning of a foreign page is the cause, which no client is sent', async (t) => {
  const users = await usersAt(t, answering(502, '<h1>Bad Gateway</h1>', html))
  const { cause } = await failureOf(users.getUser({ id: 1n }))
  t.match(cause, { message: 'the body begins with "<h1>Bad Gateway</h1>"' })
})

const types = ['application/json', 'application/protojson; charset=UTF-8', 'application/x.y+json']
const readable: [string, string][] = [
  ['64-bit integers as text', '{"id":"9007199254740993","createdAt":"5"}'],
  ['64-bit integers as numbers, not rounded', '{"id":9007199254740993,"createdAt":5}'],
  ['names of the proto', '{"id":"9007199254740993","created_at":"5"}'],
  ['fields that the proto lacks', '{"id":"9007199254740993","createdAt":"5","x":{"y":[1]}}'],
  ['nulls', '{"id":"9007199254740993","createdAt":"5","name":null,"etag":null}'],
]

for (const [index, [title, body]] of readable.entries())
  test(`an answer is read that has ${title}`, async (t) => {
    const headers = { 'content-type': types[index % types.length] ?? '' }
    const users = await usersAt(t, answering(200, body, headers))
    const { id, createdAt, name } = await users.getUser({ id: 1n })
    t.strictSame({ id, createdAt, name }, { id: 9007199254740993n, createdAt: 5n, name: '' })
  })

const json = { 'content-type': 'application/json' }
const broken: [string, ReturnType<typeof answering>, RegExp][] = [
  ['a page', answering(200, '<html>Welcome</html>', html), /its content type is text\/html$/],
  ['nothing', answering(200, '', json), /not JSON/],
  ['no type', answering(200, '{}', {}), /its content type is missing$/],
  ['half of its JSON', answering(200, '{"id":"1","na', json), /not JSON/],
  ['a field of another type', answering(200, '{"id":"x"}', json), /id: must be/],
  ['an array', answering(200, '[]', json), /must be an object/],
  ['bytes that are no text', answering(200, Buffer.from([0x22, 0xff, 0x22]), json), /not UTF-8/],
  [
    'a coding that was not asked for',
    answering(200, 'x', { ...json, 'content-encoding': 'br' }),
    /content coding is br/,
  ],
]

for (const [title, handler, message] of broken)
  test(`an answer that cannot be read is internal: ${title}`, async (t) => {
    const users = await usersAt(t, handler)
    const err = await failureOf(users.getUser({ id: 1n }))
    t.match(err, { code: Code.Internal, rawMessage: message })
    t.match(err.rawMessage, /^the answer to GET .*\/v1\/users\/\{id\} cannot be read: /)
    t.notMatch(err.rawMessage, /Welcome/)
  })

test('an empty answer and one without content are the empty message', async (t) => {
  const empty = await usersAt(t, answering(200, '', {}))
  await empty.deleteUser({ id: 1n })
  const none = await usersAt(t, answering(204, '', {}))
  t.match(await none.deleteUser({ id: 1n }), { $typeName: 'google.protobuf.Empty' })
})

test('an answer beyond the limit is resource_exhausted, one at the limit is read', async (t) => {
  const body = JSON.stringify({ name: 'x'.repeat(1000) })
  const limited = async (readMaxBytes: number) =>
    usersAt(t, answering(200, body, json), { readMaxBytes })
  const enough = await limited(body.length)
  t.equal((await enough.getUser({ id: 1n })).name.length, 1000)
  const small = await limited(body.length - 1)
  const err = await failureOf(small.getUser({ id: 1n }))
  t.match(err, { code: Code.ResourceExhausted, rawMessage: /more than 1010 bytes$/ })
})

test('headers of an answer reach the caller, and those named trailer- as its trailers', async (t) => {
  const headers = { ...json, 'x-one': '1', 'trailer-x-two': '2' }
  const users = await usersAt(t, answering(200, '{}', headers))
  const seen: (string | null)[] = []
  await users.getUser(
    { id: 1n },
    {
      onHeader: (all) => seen.push(all.get('x-one'), all.get('trailer-x-two')),
      onTrailer: (all) => seen.push(all.get('x-two')),
    },
  )
  t.strictSame(seen, ['1', null, '2'])
})
