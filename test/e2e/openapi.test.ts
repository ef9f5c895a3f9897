import { Ajv2020 } from 'ajv/dist/2020.js'
import { test, type Test } from 'tap'
import { startApp } from '../help/app.ts'

interface Exchange {
  operation: string
  method: string
  path: string
  body?: string
  headers?: Record<string, string>
  /** The status, and the reason of an error. */
  want: [status: number, reason?: string]
}

interface Reply {
  status: number
  type: string | null
  body: { reason?: string } | undefined
}

type Json = Record<string, unknown>
type Document = Json & { paths: Record<string, Record<string, Json>> }

const json = { 'content-type': 'application/json' }
const ada = JSON.stringify({ name: 'Ada', email: 'ada@example.com' })
const stale = { 'if-match': '"stale"' }

const create = (body: string, want: Exchange['want'], headers: Record<string, string> = json) => ({
  operation: 'User_CreateUser',
  method: 'POST',
  path: '/v1/users',
  body,
  headers,
  want,
})
const get = (path: string, want: Exchange['want'], headers = {}) => ({
  operation: path.startsWith('/v1/users/') ? 'User_GetUser' : 'User_ListUsers',
  method: 'GET',
  path,
  headers,
  want,
})
const update = (id: number, body: string, want: Exchange['want'], headers = {}) => ({
  operation: 'User_UpdateUser',
  method: 'PATCH',
  path: `/v1/users/${id}`,
  body,
  headers: { ...json, ...headers },
  want,
})
const remove = (path: string, want: Exchange['want'], headers = {}) => ({
  operation: 'User_DeleteUser',
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
    type: answer.headers.get('content-type'),
    body: text === '' ? undefined : (JSON.parse(text) as Reply['body']),
  }
}

/** Compares answers with what a document says of an operation. `default` is no documentation. */
function answersOf(document: Document) {
  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  ajv.addSchema(document, 'document')
  const operations = Object.values(document.paths).flatMap((item) => Object.values(item))
  const at = (pointer: string): Json | undefined =>
    pointer
      .slice(2)
      .split('/')
      .reduce<Json | undefined>((found, key) => found?.[key] as Json | undefined, document)
  return function documented(t: Test, operation: string, { status, type, body }: Reply): void {
    const found = operations.find(({ operationId }) => operationId === operation)
    const given = (found?.responses as Json | undefined)?.[status] as Json | undefined
    const response = typeof given?.$ref === 'string' ? at(given.$ref) : given
    if (!response) return void t.fail(`${operation} has no ${status} ${body?.reason ?? ''}`)
    if (body === undefined) return void t.notOk(response.content, 'has no body')
    const media = (response.content as Record<string, { schema: object }>)[type ?? '']
    if (!media) return void t.fail(`${operation} has no ${status} of type ${type}`)
    const rebased = JSON.parse(JSON.stringify(media.schema).replaceAll('"#/', '"document#/'))
    const valid = ajv.validate(rebased as object, body)
    t.ok(valid, `${operation} ${status} ${body.reason ?? ''}: ${ajv.errorsText()}`)
  }
}

test('every answer is one that the document has for its operation', async (t) => {
  const { rest } = await startApp(t, { storage: 'sqlite' })
  const document = (await (await fetch(`${rest.url}/openapi.json`)).json()) as Document
  const documented = answersOf(document)
  for (const exchange of exchanges) {
    const reply = await send(rest.url, exchange)
    const title = `${exchange.method} ${exchange.path}`
    t.same([reply.status, reply.body?.reason], [exchange.want[0], exchange.want[1]], title)
    documented(t, exchange.operation, reply)
  }
})

test('an answer of a full service is one that the document has', async (t) => {
  const { rest } = await startApp(t, { storage: 'sqlite' })
  const full = await startApp(t, { storage: 'sqlite', maxConcurrentCalls: 0 })
  const document = (await (await fetch(`${rest.url}/openapi.json`)).json()) as Document
  const reply = await send(full.rest.url, get('/v1/users', [503, 'OVERLOADED']))
  t.match(reply, { status: 503, body: { reason: 'OVERLOADED' } })
  answersOf(document)(t, 'User_ListUsers', reply)
})
