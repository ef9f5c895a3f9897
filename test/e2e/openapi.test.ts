import { test } from 'tap'
import { type Answer, watchAnswers } from '../help/answers.ts'
import { startApp } from '../help/app.ts'
import { documentedAnswers, openApiFile } from '../help/documented.ts'
import { serveRest } from '../rest/listen.ts'

interface Exchange {
  method: string
  path: string
  body?: string
  headers?: Record<string, string>
  /** The status, and the reason of an error. */
  want: [status: number, reason?: string]
}

interface Reply {
  status: number
  body: { reason?: string } | undefined
}

const json = { 'content-type': 'application/json' }
const ada = JSON.stringify({ name: 'Ada', email: 'ada@example.com' })
const stale = { 'if-match': '"stale"' }

const create = (body: string, want: Exchange['want'], headers: Record<string, string> = json) => ({
  method: 'POST',
  path: '/v1/users',
  body,
  headers,
  want,
})
const get = (path: string, want: Exchange['want'], headers = {}) => ({
  method: 'GET',
  path,
  headers,
  want,
})
const update = (id: number, body: string, want: Exchange['want'], headers = {}) => ({
  method: 'PATCH',
  path: `/v1/users/${id}`,
  body,
  headers: { ...json, ...headers },
  want,
})
const remove = (path: string, want: Exchange['want'], headers = {}) => ({
  method: 'DELETE',
  path,
  headers,
  want,
})

/** In this order, on an empty database. */
const exchanges: Exchange[] = [
  get('/v1/users', [200]),
  create(ada, [200]),
  create(ada, [409, 'USER_ALREADY_EXISTS']),
  create('{}', [400, 'INVALID_USER_INPUT']),
  create('{', [400, 'MALFORMED_BODY']),
  create(ada, [415, 'UNSUPPORTED_MEDIA_TYPE'], { 'content-type': 'text/plain' }),
  create(`"${'x'.repeat(1_100_000)}"`, [413, 'BODY_TOO_LARGE']),
  create(JSON.stringify({ name: 'Bob', email: 'bob@example.com' }), [200]),
  get('/v1/users?page_size=1', [200]),
  get('/v1/users?nobody=1', [400, 'INVALID_PARAMETER']),
  get('/v1/users?page=-1', [400, 'INVALID_USER_INPUT']),
  get('/v1/users?page=%zz', [400, 'MALFORMED_URL']),
  get('/v1/users', [406, 'NOT_ACCEPTABLE'], { accept: 'image/png' }),
  get('/v1/users', [504, 'DEADLINE_EXCEEDED'], { 'grpc-timeout': '0n' }),
  get('/v1/users/1', [200]),
  get('/v1/users/1', [200], { accept: 'application/protojson' }),
  get('/v1/users/1', [304], { 'if-none-match': '*' }),
  get('/v1/users/1', [412, 'PRECONDITION_FAILED'], stale),
  get('/v1/users/99', [404, 'USER_NOT_FOUND']),
  get('/v1/users/0', [400, 'INVALID_USER_INPUT']),
  get('/v1/users/', [404, 'ROUTE_NOT_FOUND']),
  update(1, '{"phone":"+44 161 4960"}', [200]),
  update(1, '{"email":"bob@example.com"}', [409, 'USER_ALREADY_EXISTS']),
  update(1, '{"phone":"1"}', [400, 'INVALID_USER_INPUT']),
  update(1, '{"name":"Eve"}', [412, 'PRECONDITION_FAILED'], stale),
  update(99, '{"name":"Eve"}', [404, 'USER_NOT_FOUND']),
  remove('/v1/users/1', [412, 'PRECONDITION_FAILED'], stale),
  remove('/v1/users/1', [200]),
  remove('/v1/users/1', [404, 'USER_NOT_FOUND']),
  remove('/v1/users/0', [400, 'INVALID_USER_INPUT']),
]

async function send(url: string, { method, path, body, headers }: Exchange): Promise<Reply> {
  const init = { method, ...(body !== undefined && { body }), ...(headers && { headers }) }
  const answer = await fetch(`${url}${path}`, init)
  const text = await answer.text()
  return {
    status: answer.status,
    body: text === '' ? undefined : (JSON.parse(text) as Reply['body']),
  }
}

test('every error that the document names is answered, and no other', async (t) => {
  const { rest } = await startApp(t, { storage: 'sqlite' })
  for (const exchange of exchanges) {
    const { status, body } = await send(rest.url, exchange)
    const title = `${exchange.method} ${exchange.path}`
    t.same([status, body?.reason], [exchange.want[0], exchange.want[1]], title)
  }
})

test('a full service answers what the document has', async (t) => {
  const { rest } = await startApp(t, { storage: 'sqlite', maxConcurrentCalls: 0 })
  const reply = await send(rest.url, get('/v1/users', [503, 'OVERLOADED']))
  t.match(reply, { status: 503, body: { reason: 'OVERLOADED' } })
})

const answer = (status: number, body: unknown, given: Partial<Answer> = {}): Answer => ({
  method: 'GET',
  path: '/v1/users/1',
  status,
  headers: { 'content-type': 'application/json' },
  body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
  ...given,
})
const error = (code: number, reason: string) => ({ code, reason, message: '', metadata: {} })
const ada1 = { id: '1', name: 'Ada', email: 'a@b.c', phone: '', createdAt: '0' }

const told = { resumeToken: '', kind: 'SYNCED', id: '0', user: null }
const failed = JSON.stringify({ error: error(503, 'SHUTTING_DOWN') })
const watched = (type: string, body: string): Answer =>
  answer(200, body, { path: '/v1/users:watch', headers: { 'content-type': type } })

test('the check of all answers finds those that the document lacks', (t) => {
  const lacking = documentedAnswers(openApiFile())
  const faults: [Answer, RegExp | undefined][] = [
    [answer(200, ada1), undefined],
    [answer(200, { ...ada1, etag: '"x"' }), undefined],
    [answer(404, error(404, 'USER_NOT_FOUND')), undefined],
    [answer(404, error(404, 'NOBODY')), /^User_GetUser .* 404: .*reason/],
    [
      answer(404, error(404, 'USER_NOT_FOUND'), { path: '/v1/users' }),
      /ListUsers .* no such status/,
    ],
    [answer(404, error(404, 'USER_NOT_FOUND'), { path: '/elsewhere' }), undefined],
    [answer(409, error(409, 'USER_ALREADY_EXISTS')), /no such status/],
    [answer(418, error(418, 'INTERNAL')), /no such status/],
    [answer(200, { ...ada1, id: 1 }), /id must be string/],
    [answer(200, { id: '1' }), /required property/],
    [answer(200, ''), /without a body/],
    [answer(200, ada1, { headers: { 'content-type': 'text/html' } }), /no such type/],
    [answer(418, '', { method: 'HEAD' }), /no such status/],
    [watched('application/x-ndjson', `${JSON.stringify(told)}\n\n${failed}\n`), undefined],
    [watched('application/x-ndjson', '{"kind":"TOLD"}\n'), /WatchUsers .* required property/],
    [watched('application/x-ndjson', '{"error":{"code":503}}\n'), /required property/],
    [watched('text/event-stream', `id: x\ndata: ${JSON.stringify(told)}\n\n: \n\n`), undefined],
    [watched('text/event-stream', 'event: error\ndata: {"code":503}\n\n'), /required property/],
    [watched('text/event-stream', 'id: end\nevent: end\ndata: {}\n\n'), undefined],
  ]
  for (const [given, want] of faults) {
    const fault = lacking(given)
    if (want === undefined) t.equal(fault, undefined)
    else t.match(fault, want)
  }
  t.end()
})

test('answers are watched over both versions of HTTP', async (t) => {
  const seen: Answer[] = []
  const { port, ask } = await serveRest(t, { routes: () => undefined })
  t.teardown(watchAnswers(port, (each) => seen.push(each)))
  await ask['HTTP/1.1']({ target: '/v1/x?y=1' })
  await ask.h2c({ target: '/v1/x?y=1' })
  const one = { method: 'GET', path: '/v1/x', status: 404, body: /ROUTE_NOT_FOUND/ }
  const texts = seen.map((each) => ({ ...each, body: each.body?.toString() }))
  t.match(texts, [one, one])
  t.equal(texts.length, 2)
})
