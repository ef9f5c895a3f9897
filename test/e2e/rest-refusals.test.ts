import { test } from 'tap'
import type { Test } from 'tap'
import { startApp } from '../help/app.ts'
import { h2Client } from './h2.ts'
import { exchange, exchangeBytes, type RawAnswer, type RawRequest, requestBytes } from './raw.ts'
import { get, idRule, inside, json, limits, post, user } from './refused.ts'

const pageRule = 'must be an integer from 0 to 2147483647'
const restTypes = 'application/json, application/protojson, application/x-www-form-urlencoded'

interface RestCase {
  request: RawRequest | string
  status: number
  reason: string
  metadata?: Record<string, string>
  headers?: Record<string, string>
  message?: RegExp
  /** Why this fails today. */
  todo?: string
}

function patch(body: string, query = ''): RawRequest {
  return { method: 'PATCH', target: `/v1/users/1${query}`, headers: json, body }
}

const fieldType = (field: string, rule: string) => ({
  status: 400,
  reason: 'MALFORMED_BODY',
  metadata: { [field]: rule },
})
const malformedBody = { status: 400, reason: 'MALFORMED_BODY', metadata: {} }
const malformedUrl = { status: 400, reason: 'MALFORMED_URL', metadata: {} }
const malformedRequest = { status: 400, reason: 'MALFORMED_REQUEST', metadata: {} }
const noRoute = { status: 404, reason: 'ROUTE_NOT_FOUND', metadata: {} }
const tooLarge = { status: 413, reason: 'BODY_TOO_LARGE', metadata: {} }
const mediaType = {
  status: 415,
  reason: 'UNSUPPORTED_MEDIA_TYPE',
  metadata: {},
  headers: { 'accept-post': restTypes },
}
const parameters = (metadata: Record<string, string>) => ({
  status: 400,
  reason: 'INVALID_PARAMETER',
  metadata,
})
const notAllowed = (allow: string) => ({
  status: 405,
  reason: 'METHOD_NOT_ALLOWED',
  metadata: {},
  headers: { allow },
})
const onUsers = notAllowed('GET, HEAD, OPTIONS, POST')
const onUser = notAllowed('DELETE, GET, HEAD, OPTIONS, PATCH')
const known = 'is not known; allowed are page, page_size, page_token'
const host = 'Host: localhost\r\nConnection: close\r\n'

const restCases: Record<string, RestCase> = {
  'JSON that ends early': { request: post('{"name":"Ada'), ...malformedBody },
  'JSON with something behind it': { request: post('{} x'), ...malformedBody },
  'JSON with a comma too many': { request: post('{"name":"Ada",}'), ...malformedBody },
  'JSON with a name given twice': { request: post('{"name":"a","name":"b"}'), ...malformedBody },
  'JSON of 1000 open brackets': { request: post('['.repeat(1000)), ...malformedBody },
  'a body of white space': { request: post('  '), ...malformedBody },
  'a body that is not UTF-8': { request: post(Buffer.from([0x7b, 0xff, 0x7d])), ...malformedBody },
  'an array instead of an object': { request: post('[]'), ...malformedBody },
  'a text instead of an object': { request: post('"x"'), ...malformedBody },
  'null instead of an object': { request: post('null'), ...malformedBody },
  'a number for a text': {
    request: post('{"name":5}'),
    ...fieldType('name', 'must be a string'),
  },
  'a list for a text': {
    request: post('{"email":[]}'),
    ...fieldType('email', 'must be a string'),
  },
  'an object for a text': {
    request: post('{"phone":{}}'),
    ...fieldType('phone', 'must be a string'),
  },
  'a number for a text in the body of an update': {
    request: patch('{"name":5}'),
    ...fieldType('name', 'must be a string'),
  },
  ...Object.fromEntries(
    ['12345678901234567890', '-9007199254740993', '1e30', '1.5e400'].map((number) => [
      `the number ${number} for a text`,
      {
        request: post(`{"name":${number},"email":"n@example.com"}`),
        ...fieldType('name', 'must be a string'),
      },
    ]),
  ),
  'an array for the body of an update': { request: patch('[]'), ...malformedBody },
  'no content type': { request: post('{}', {}), ...mediaType },
  'another content type': { request: post('{}', { 'Content-Type': 'text/plain' }), ...mediaType },
  'a form with a key that is no field': {
    request: post('nmae=Ada', { 'Content-Type': 'application/x-www-form-urlencoded' }),
    ...parameters({
      nmae: 'is not known; did you mean name?; allowed are name, email, phone',
    }),
  },
  'JSON that is declared to be a form': {
    request: post('{"name":"Ada"}', { 'Content-Type': 'application/x-www-form-urlencoded' }),
    ...malformedBody,
    message: /send JSON with Content-Type: application\/json/,
  },
  'a path of RPC': {
    request: { method: 'POST', target: `${user}/GetUser`, headers: json, body: '{}' },
    ...noRoute,
    message: /are served on the other port, that of server\.grpc\.addr/,
  },
  'a type that cannot be given': {
    request: { target: '/v1/users', headers: { Accept: 'text/html' } },
    status: 406,
    reason: 'NOT_ACCEPTABLE',
    metadata: {},
  },
  'a content type that is none': {
    request: post('{}', { 'Content-Type': ';;' }),
    ...mediaType,
  },
  'another charset': {
    request: post('{}', { 'Content-Type': 'application/json; charset=iso-8859-1' }),
    ...mediaType,
  },
  'an unknown content encoding': {
    request: post('{}', { ...json, 'Content-Encoding': 'zippy' }),
    status: 415,
    reason: 'UNSUPPORTED_MEDIA_TYPE',
    metadata: {},
  },
  'an unknown route': { request: get('/v2/users'), ...noRoute },
  'a slash at the end': { request: get('/v1/users/'), ...noRoute },
  'two slashes': { request: get('//v1/users'), ...noRoute },
  'a path below a user': { request: get('/v1/users/1/x'), ...noRoute },
  'the asterisk': { request: { method: 'GET', target: '*' }, ...noRoute },
  'OPTIONS of an unknown route': { request: { method: 'OPTIONS', target: '/x' }, ...noRoute },
  'PROPFIND of an unknown route': { request: { method: 'PROPFIND', target: '/x' }, ...noRoute },
  'QUERY of an unknown route': {
    request: { method: 'QUERY', target: '/x' },
    ...noRoute,
  },
  'malformed JSON for an unknown route': {
    request: { method: 'POST', target: '/x', headers: json, body: '{' },
    ...noRoute,
  },
  'an empty JSON body for an unknown route': {
    request: { method: 'POST', target: '/x', headers: json, body: '' },
    ...noRoute,
  },
  'a body of an unknown type for an unknown route': {
    request: { method: 'POST', target: '/x', headers: { 'Content-Type': 'a/b' }, body: 'x' },
    ...noRoute,
  },
  'a wrong method on the collection': {
    request: { method: 'DELETE', target: '/v1/users' },
    ...onUsers,
  },
  'a wrong method on a user': {
    request: { method: 'POST', target: '/v1/users/1', headers: json, body: '{' },
    ...onUser,
  },
  PUT: { request: { method: 'PUT', target: '/v1/users/1' }, ...onUser },
  PROPFIND: { request: { method: 'PROPFIND', target: '/v1/users/1' }, ...onUser },
  TRACE: { request: { method: 'TRACE', target: '/v1/users' }, ...onUsers },
  QUERY: { request: { method: 'QUERY', target: '/v1/users' }, ...onUsers },
  'an unknown method': { request: { method: 'BREW', target: '/v1/users' }, ...malformedRequest },
  CONNECT: {
    request: `CONNECT localhost:1 HTTP/1.1\r\n${host}\r\n`,
    status: 405,
    reason: 'METHOD_NOT_ALLOWED',
  },
  'an over-large body': { request: post(`"${'x'.repeat(2048)}"`), ...tooLarge },
  'an over-large body without a length': {
    request: [
      `POST /v1/users HTTP/1.1\r\n${host}Content-Type: application/json`,
      `Transfer-Encoding: chunked\r\n\r\n1000\r\n${' '.repeat(4096)}\r\n0\r\n\r\n`,
    ].join('\r\n'),
    ...tooLarge,
  },
  'an over-large body of an unknown route': {
    request: { method: 'POST', target: '/x', headers: json, body: 'x'.repeat(4096) },
    ...noRoute,
  },
  'over-large headers': {
    request: { target: '/v1/users', headers: { 'X-Long': 'x'.repeat(5000) } },
    status: 431,
    reason: 'HEADERS_TOO_LARGE',
    metadata: {},
  },
  'an over-large path': {
    request: get(`/v1/users/${'1'.repeat(5000)}`),
    status: 431,
    reason: 'HEADERS_TOO_LARGE',
    metadata: {},
  },
  'a broken escape in the path': { request: get('/v1/users/%ZZ'), ...malformedUrl },
  'an escape that is cut off': { request: get('/v1/users/%F'), ...malformedUrl },
  'a byte that is not UTF-8 in the path': { request: get('/v1/users/%FF'), ...malformedUrl },
  'overlong UTF-8 in the path': { request: get('/v1/users/%C0%AF'), ...malformedUrl },
  'a surrogate in the path': { request: get('/v1/users/%ED%A0%80'), ...malformedUrl },
  'a code point beyond Unicode in the path': {
    request: get('/v1/users/%F5%80%80%80'),
    ...malformedUrl,
  },
  'a broken escape in an unknown path': { request: get('/x/%ZZ'), ...malformedUrl },
  'a broken escape in the query': { request: get('/v1/users?page=%ZZ'), ...malformedUrl },
  'a byte that is not UTF-8 in the query': {
    request: get('/v1/users?page_token=%FF'),
    ...malformedUrl,
  },
  'a broken escape in the name of a parameter': {
    request: get('/v1/users?p%ZZ=1'),
    ...malformedUrl,
  },
  'an unknown parameter': { request: get('/v1/users?foo=1'), ...parameters({ foo: known }) },
  'a parameter that is misspelled': {
    request: get('/v1/users?pagesize=1'),
    ...parameters({
      pagesize: 'is not known; did you mean page_size?; allowed are page, page_size, page_token',
    }),
  },
  'a parameter of an object': {
    request: get('/v1/users?__proto__=1&constructor=1'),
    ...parameters(JSON.parse(`{"__proto__":"${known}","constructor":"${known}"}`)),
  },
  'a parameter twice': {
    request: get('/v1/users?page=1&page=1'),
    ...parameters({ page: 'is given more than once' }),
  },
  'a parameter in both spellings': {
    request: get('/v1/users?pageSize=1&page_size=1'),
    ...parameters({ page_size: 'is given more than once' }),
  },
  'a parameter for what the body gives': {
    request: { ...post('{}'), target: '/v1/users?name=Ada' },
    ...parameters({ name: 'is not known: this method takes its fields from the body' }),
  },
  'an id in the query that is not the one in the path': {
    request: get('/v1/users/1?id=2'),
    ...parameters({ id: 'has another value in the query than in the path' }),
  },
  'all bad parameters at once': {
    request: get('/v1/users?page=x&foo=1&page_size=2147483648'),
    ...parameters({ page: pageRule, foo: known, page_size: pageRule }),
  },
  'an empty number': { request: get('/v1/users?page='), ...parameters({ page: pageRule }) },
  ...Object.fromEntries(
    [
      'abc',
      '1.0',
      '+1',
      '01',
      '1e3',
      '%20',
      '0x1',
      '%EF%BC%91',
      '1%2F',
      '1:x',
      '9223372036854775808',
      '-9223372036854775809',
    ].map((id) => [
      `the id ${id}`,
      { request: get(`/v1/users/${id}`), ...parameters({ id: idRule }) },
    ]),
  ),
  'an id below one': {
    request: get('/v1/users/0'),
    status: 400,
    reason: 'INVALID_USER_INPUT',
    metadata: { id: 'must be greater than 0' },
  },
  'a field of the body, by the name it was sent with': {
    request: patch('{"phone":"x"}'),
    status: 400,
    reason: 'INVALID_USER_INPUT',
    metadata: { phone: 'must be empty, or 3 to 32 characters of digits, space and + - ( ) .' },
  },
  'a parameter, by the name it was sent with': {
    request: get('/v1/users?pageSize=-1'),
    status: 400,
    reason: 'INVALID_USER_INPUT',
    metadata: { pageSize: 'must be greater than or equal to 0' },
  },
  'a parameter, by its other name': {
    request: get('/v1/users?page_size=-1'),
    status: 400,
    reason: 'INVALID_USER_INPUT',
    metadata: { page_size: 'must be greater than or equal to 0' },
  },
  'a mask, by the name it was sent with': {
    request: patch('{}', '?updateMask=foo'),
    status: 400,
    reason: 'INVALID_USER_INPUT',
    metadata: { updateMask: 'has the unknown path "foo"; allowed are *, name, email, phone' },
  },
  'a user who is missing': {
    request: get('/v1/users/42'),
    status: 404,
    reason: 'USER_NOT_FOUND',
    metadata: { user_id: '42' },
  },
  garbage: { request: 'hello\r\n\r\n', ...malformedRequest },
  'an answer instead of a request': { request: 'HTTP/1.1 200 OK\r\n\r\n', ...malformedRequest },
  'TLS where none is': {
    request: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    ...malformedRequest,
  },
  'another version of HTTP': {
    request: `GET /v1/users HTTP/3.0\r\n${host}\r\n`,
    ...malformedRequest,
    status: 505,
  },
  'two lengths': {
    request: `POST /v1/users HTTP/1.1\r\n${host}Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}`,
    ...malformedRequest,
  },
  'a chunk without a size': {
    request: `POST /v1/users HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\nZZ\r\n`,
    ...malformedRequest,
  },
  'a header that is none': {
    request: `GET /v1/users HTTP/1.1\r\n${host}no colon\r\n\r\n`,
    ...malformedRequest,
  },
  'no host': {
    request: 'GET /v1/users HTTP/1.1\r\nConnection: close\r\n\r\n',
    ...malformedRequest,
  },
  'an expectation that nobody knows': {
    request: { ...post('{}'), headers: { ...json, Expect: 'tea' } },
    status: 417,
    reason: 'MALFORMED_REQUEST',
  },
}

function checkRest(
  t: Test,
  answer: RawAnswer,
  { status, reason, metadata, headers = {}, message = /./, todo }: RestCase,
) {
  const extra = todo ? { todo } : {}
  const body = parsed(answer.body)
  t.equal(answer.status, status, 'status', extra)
  t.equal(answer.headers.get('content-type'), 'application/json', 'content type', extra)
  t.strictSame(Object.keys(body), ['code', 'reason', 'message', 'metadata'], 'members', extra)
  t.match(body, { code: status, reason, message }, 'code, reason and message', extra)
  if (metadata) t.strictSame(body['metadata'], metadata, 'metadata', extra)
  for (const [name, value] of Object.entries(headers))
    t.equal(answer.headers.get(name), value, name, extra)
  t.notMatch(answer.body, inside, 'nothing of the inside')
}

function parsed(body: string): Record<string, unknown> {
  try {
    return JSON.parse(body) as Record<string, unknown>
  } catch {
    return {}
  }
}

test('each refusal of the REST port has the one body', async (t) => {
  const { rest } = await startApp(t, { storage: 'sqlite', ...limits })
  for (const [what, restCase] of Object.entries(restCases)) {
    await t.test(`${what} is refused`, async (t) => {
      const { request } = restCase
      const bytes =
        typeof request === 'string' ? Buffer.from(request, 'latin1') : requestBytes(request)
      checkRest(t, await exchangeBytes(rest.port, bytes), restCase)
    })
  }
})

test('a path of REST on the RPC port is told where REST is', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite' })
  const { body } = await exchange(rpc.port, get('/v1/users'))
  t.match(body, /REST is served on the other port, that of server\.http\.addr/)
  const unknown = { method: 'POST', target: `${user}/Forget`, headers: json, body: '{}' }
  t.notMatch((await exchange(rpc.port, unknown)).body, /other port/)
})

test('an absolute request target is served as its path', async (t) => {
  const { rest } = await startApp(t, { storage: 'sqlite' })
  t.match(await exchange(rest.port, get('http://localhost/v1/users')), { status: 200 })
})

test('HEAD and OPTIONS are answered without a body', async (t) => {
  const { rest } = await startApp(t, { storage: 'sqlite' })
  const head = await exchange(rest.port, { method: 'HEAD', target: '/v1/users' })
  t.match(head, { status: 200, body: '' })
  t.equal(head.headers.get('content-type'), 'application/json')
  const { body } = await exchange(rest.port, get('/v1/users'))
  t.equal(head.headers.get('content-length'), String(body.length))
  const missing = await exchange(rest.port, { method: 'HEAD', target: '/v1/users/42' })
  t.match(missing, { status: 404, body: '' })
  for (const [target, allow] of [
    ['/v1/users', 'GET, HEAD, OPTIONS, POST'],
    ['/v1/users/1', 'DELETE, GET, HEAD, OPTIONS, PATCH'],
  ] as const) {
    const options = await exchange(rest.port, { method: 'OPTIONS', target })
    t.match(options, { status: 204, body: '' })
    t.equal(options.headers.get('allow'), allow)
  }
})

test('the REST port refuses alike over HTTP/2', async (t) => {
  const { rest } = await startApp(t, { storage: 'sqlite', ...limits })
  const request = h2Client(t, rest.url)
  const sent = { ':path': '/v1/users', 'content-type': 'application/json' }
  const cases = [
    [{ ':path': '/x' }, undefined, noRoute],
    [{ ':path': '/v1/users/%ZZ' }, undefined, malformedUrl],
    [{ ':path': '/v1/users/abc' }, undefined, parameters({ id: idRule })],
    [{ ':path': '/v1/users', ':method': 'DELETE' }, undefined, onUsers],
    [{ ...sent, ':method': 'POST' }, '{', malformedBody],
    [{ ...sent, ':method': 'POST' }, 'x'.repeat(4096), tooLarge],
    [
      { ':path': '/v1/users', ':method': 'POST' },
      '{}',
      { ...mediaType, todo: 'a body without content type and length is not read: 400' },
    ],
  ] as const
  for (const [headers, body, want] of cases)
    checkRest(t, await request(headers, body), { request: '', ...want })
})
