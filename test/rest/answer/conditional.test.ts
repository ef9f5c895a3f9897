import { create, type Message } from '@bufbuild/protobuf'
import { test } from 'tap'
import { compileSchema } from '../schema.ts'
import { type AnyHandler, serveSchema } from '../serve.ts'

const schema = compileSchema({
  messages: {
    Req: 'string id; string etag',
    Doc: 'string text; string etag',
    Plain: 'string text',
  },
  methods: {
    Doc: [
      'Req',
      'Doc',
      { get: '/v1/docs/{id}', additionalBindings: [{ put: '/v1/docs/{id}', body: '*' }] },
    ],
    Plain: ['Req', 'Plain', { get: '/v1/plain/{id}' }],
  },
})

const text = 'text '.repeat(1000)

function serve(handlers: Record<string, AnyHandler> = {}) {
  const reply = (type: string, init: Record<string, unknown>) => () =>
    create(schema.message(type), init) as Message
  return serveSchema(schema, {
    doc: reply('Doc', { text, etag: 'v7' }),
    plain: reply('Plain', { text }),
    ...handlers,
  })
}

async function tagOf(headers: Record<string, string>, url = '/v1/plain/1') {
  const answer = await serve().inject({ url, headers })
  return String(answer.headers.etag)
}

test('a GET has a validator of its own for each representation', async (t) => {
  const tags = [
    await tagOf({}),
    await tagOf({ accept: 'application/protojson' }),
    await tagOf({ 'accept-encoding': 'gzip' }),
    await tagOf({ 'accept-encoding': 'br' }),
    await tagOf({}, '/v1/plain/1?$fields=text&$prettyPrint=1'),
  ]
  t.equal(new Set(tags).size, tags.length)
  for (const tag of tags) t.match(tag, /^W\/"[\w-]+(?:;\w+)?"$/)
  t.equal(await tagOf({}), tags[0], 'which is the same for the same answer')
})

test('If-None-Match answers 304 without a body when it names the validator', async (t) => {
  const tag = await tagOf({})
  const app = serve()
  for (const held of [tag, tag.slice(2), `"x", ${tag}`, `W/"x",${tag},"y"`, '*', ' * ']) {
    const headers = { 'if-none-match': held }
    for (const method of ['GET', 'HEAD'] as const) {
      const answer = await app.inject({ method, url: '/v1/plain/1', headers })
      t.equal(answer.statusCode, 304, `${method} ${held}`)
      t.equal(answer.body, '')
      t.equal(answer.headers.etag, tag)
      t.equal(answer.headers.vary, 'Accept, Accept-Encoding')
      t.equal(answer.headers['content-type'], undefined)
      t.equal(answer.headers['content-length'], undefined)
    }
  }
  for (const held of ['"x"', 'x', '', '"', tag.slice(0, -1)]) {
    const answer = await app.inject({ url: '/v1/plain/1', headers: { 'if-none-match': held } })
    t.equal(answer.statusCode, 200, held)
  }
})

test('the validator of one coding is none of another', async (t) => {
  const tag = await tagOf({ 'accept-encoding': 'gzip' })
  const headers = { 'if-none-match': tag, 'accept-encoding': 'br' }
  t.equal((await serve().inject({ url: '/v1/plain/1', headers })).statusCode, 200)
})

test('headers of the handler stay on a 304', async (t) => {
  const app = serve({
    plain(_request, { responseHeader }) {
      responseHeader.set('cache-control', 'max-age=60')
      return { text }
    },
  })
  const answer = await app.inject({ url: '/v1/plain/1', headers: { 'if-none-match': '*' } })
  t.equal(answer.statusCode, 304)
  t.equal(answer.headers['cache-control'], 'max-age=60')
})

test("a reply's own etag is its validator, marked where the answer is another representation", async (t) => {
  t.equal(await tagOf({}, '/v1/docs/1'), '"v7"')
  t.equal(await tagOf({ 'accept-encoding': 'gzip' }, '/v1/docs/1'), '"v7;gzip"')
  const both = { accept: 'application/protojson', 'accept-encoding': 'br' }
  t.equal(await tagOf(both, '/v1/docs/1'), '"v7;protojson;br"')
  const app = serve({ doc: () => create(schema.message('Doc'), { etag: '"q"' }) })
  t.equal((await app.inject('/v1/docs/1')).headers.etag, '"q"')
  const header = serve({
    doc(_request, { responseHeader }) {
      responseHeader.set('etag', '"of-header"')
      return { etag: 'of-field' }
    },
  })
  t.equal((await header.inject('/v1/docs/1')).headers.etag, '"of-header"')
})

test('an etag that no header could carry is replaced', async (t) => {
  const app = serve({ doc: () => create(schema.message('Doc'), { etag: 'a "b"\n' }) })
  const answer = await app.inject('/v1/docs/1')
  t.equal(answer.statusCode, 200)
  t.match(answer.headers.etag, /^W\/"/)
})

test('a GET with If-Match is answered only if it names the state, whatever the representation', async (t) => {
  const app = serve()
  const cases: [url: string, ifMatch: string, status: number][] = [
    ['/v1/docs/1', '"v7"', 200],
    ['/v1/docs/1', '"x", "v7;gzip"', 200],
    ['/v1/docs/1', '*', 200],
    ['/v1/docs/1', 'W/"v7"', 412],
    ['/v1/docs/1', '"v8"', 412],
    ['/v1/plain/1', await tagOf({}), 412],
    ['/v1/plain/1', '*', 200],
    ['/v1/docs/1', 'v7', 400],
  ]
  for (const [url, ifMatch, status] of cases)
    for (const method of ['GET', 'HEAD'] as const) {
      const answer = await app.inject({ method, url, headers: { 'if-match': ifMatch } })
      t.equal(answer.statusCode, status, `${method} ${url} ${ifMatch}`)
    }
  const failed = await app.inject({ url: '/v1/docs/1', headers: { 'if-match': '"v8"' } })
  t.match(failed.json(), { code: 412, reason: 'PRECONDITION_FAILED' })
})

test('dates are no conditions, since no answer has Last-Modified', async (t) => {
  const date = 'Thu, 01 Jan 1970 00:00:00 GMT'
  const headers = { 'if-modified-since': new Date().toUTCString(), 'if-unmodified-since': date }
  const answer = await serve().inject({ url: '/v1/docs/1', headers })
  t.equal(answer.statusCode, 200)
  t.equal(answer.headers['last-modified'], undefined)
})

test('only GET, HEAD and PATCH tell a validator', async (t) => {
  const answer = await serve().inject({ method: 'PUT', url: '/v1/docs/1', payload: {} })
  t.equal(answer.statusCode, 200)
  t.equal(answer.headers.etag, undefined)
})
