import {
  create,
  type DescMethod,
  type DescMethodUnary,
  fromJson,
  type JsonObject,
  type Message,
} from '@bufbuild/protobuf'
import { Code, ConnectError } from '@connectrpc/connect'
import { test } from 'tap'
import { buildRequest, clientRoutes } from '../../../src/client/rest/request.ts'
import { serviceIn, testProtos } from '../../rest/descriptors.ts'
import { compileSchema } from '../../rest/schema.ts'

const messages = {
  Req: `string name; int32 count; int64 id; bool flag; Color color; bytes raw; optional string nick;
    repeated string tags; map<string, int64> sizes; map<string, Inner> inners; repeated Inner list;
    Inner inner; google.protobuf.Timestamp at; google.protobuf.Duration span; kind/string one;
    google.protobuf.FieldMask mask; google.protobuf.Int64Value wrapped; double ratio; kind/Inner two;
    google.protobuf.Struct object; google.protobuf.Value value; google.protobuf.Empty empty`,
  Inner: 'string text; repeated uint64 ids; Inner inner',
}
const enums = { Color: ['NONE', 'RED'] }

/** Builds the request of a message by one rule. */
function built(rule: JsonObject, message: JsonObject) {
  const { service } = compileSchema({ messages, enums, methods: { Call: ['Req', 'Req', rule] } })
  const method = service.methods[0] as DescMethodUnary
  return buildRequest(clientRoutes(method), fromJson(method.input, message))
}

interface Row {
  title: string
  rule: JsonObject
  message: JsonObject
  /** Method and target. */
  sends: string
  body?: JsonObject | string
}

const rows: Row[] = [
  {
    title: 'a variable of one segment is escaped whole',
    rule: { get: '/v1/{name}' },
    message: { name: "a/b c?d#e%f+g:h'é😀" },
    sends: "GET /v1/a%2Fb%20c%3Fd%23e%25f%2Bg%3Ah'%C3%A9%F0%9F%98%80",
  },
  {
    title: 'a variable that is two dots is escaped, so that nothing climbs to the path above',
    rule: { get: '/v1/{name}/x' },
    message: { name: '..' },
    sends: 'GET /v1/%2E%2E/x',
  },
  {
    title: 'a variable of several segments keeps its slashes, and escapes the rest',
    rule: { get: '/v1/{name=rooms/*/**}:open' },
    message: { name: 'rooms/a b/./c%2Fd' },
    sends: 'GET /v1/rooms/a%20b/%2E/c%252Fd:open',
  },
  {
    title: 'a ** may take no segment',
    rule: { get: '/v1/{name=rooms/**}' },
    message: { name: 'rooms' },
    sends: 'GET /v1/rooms',
  },
  {
    title: 'segments may follow a **',
    rule: { get: '/v1/{name=rooms/**/end}' },
    message: { name: 'rooms/1/2/end' },
    sends: 'GET /v1/rooms/1/2/end',
  },
  {
    title: 'literals keep what a path may have',
    rule: { get: '/v1/@me;a=1,b/%3A' },
    message: {},
    sends: 'GET /v1/@me;a=1,b/%3A',
  },
  {
    title: 'wildcards outside of variables are filled',
    rule: { get: '/v1/*/x/**' },
    message: {},
    sends: 'GET /v1/-/x',
  },
  {
    title: 'scalars in the path have their JSON form, and defaults are written out',
    rule: { get: '/v1/{id}/{count}/{flag}/{color}/{inner.text}' },
    message: { id: '9007199254740993', inner: { text: 'x' } },
    sends: 'GET /v1/9007199254740993/0/false/NONE/x',
  },
  {
    title: 'times, wrappers and masks in the path',
    rule: { get: '/v1/{at}/{span}/{wrapped}/{mask}' },
    message: { at: '2026-01-31T12:00:00Z', span: '1.5s', wrapped: '0', mask: 'name,innerText' },
    sends: 'GET /v1/2026-01-31T12%3A00%3A00Z/1.500s/0/name%2CinnerText',
  },
  {
    title: 'what is not in the path is in the query, nested fields by their path',
    rule: { get: '/v1/{name}' },
    message: { name: 'n', count: 7, inner: { text: 'a&b', inner: { ids: ['1', '2'] } } },
    sends: 'GET /v1/n?count=7&inner.text=a%26b&inner.inner.ids=1&inner.inner.ids=2',
  },
  {
    title: 'a query has lists, maps, bytes, enums, times, wrappers, masks and oneofs',
    rule: { get: '/v1' },
    message: {
      tags: ['a', 'a', ''],
      sizes: { 'k&': '1' },
      raw: '/+8=',
      color: 'RED',
      nick: '',
      at: '2026-01-31T12:00:00.5Z',
      span: '-0.5s',
      mask: 'a.bC',
      wrapped: '5',
      one: 'x',
    },
    sends:
      'GET /v1?color=RED&raw=%2F%2B8%3D&nick=&tags=a&tags=a&tags=&sizes%5Bk%26%5D=1' +
      '&at=2026-01-31T12%3A00%3A00.500Z&span=-0.500s&one=x&mask=a.bC&wrapped=5',
  },
  {
    title: 'a struct in the query is JSON, as Kratos reads it',
    rule: { get: '/v1' },
    message: { object: { a: [1, null] } },
    sends: 'GET /v1?object=%7B%22a%22%3A%5B1%2Cnull%5D%7D',
  },
  {
    title: 'numbers that JSON has no form for are texts',
    rule: { get: '/v1' },
    message: { ratio: 'NaN' },
    sends: 'GET /v1?ratio=NaN',
  },
  {
    title: 'messages without fields leave no trace in a query',
    rule: { get: '/v1' },
    message: { inner: {}, empty: {}, list: [] },
    sends: 'GET /v1',
  },
  {
    title: 'a body of the whole message lacks the fields of the path, and there is no query',
    rule: { post: '/v1/{name}/{inner.text}', body: '*' },
    message: { name: 'n', count: 1, id: '2', inner: { text: 't', ids: ['3'] } },
    sends: 'POST /v1/n/t',
    body: { count: 1, id: '2', inner: { ids: ['3'] } },
  },
  {
    title: 'an empty message is an empty object',
    rule: { post: '/v1', body: '*' },
    message: {},
    sends: 'POST /v1',
    body: {},
  },
  {
    title: 'a body of one field leaves the others to path and query',
    rule: { patch: '/v1/{id}', body: 'inner' },
    message: { id: '5', inner: { text: 't' }, mask: 'text' },
    sends: 'PATCH /v1/5?mask=text',
    body: { text: 't' },
  },
  {
    title: 'a body of one field that is not set is empty',
    rule: { patch: '/v1/{id}', body: 'inner' },
    message: { id: '5' },
    sends: 'PATCH /v1/5',
    body: '',
  },
  {
    title: 'a body of a list, a map or a scalar is its JSON',
    rule: { put: '/v1', body: 'sizes' },
    message: { sizes: { a: '1' } },
    sends: 'PUT /v1',
    body: { a: '1' },
  },
  {
    title: 'of several bindings the first whose variables are set is used',
    rule: { get: '/v1/{name}', additional_bindings: [{ get: '/v1/n/{nick}' }, { get: '/v1/x' }] },
    message: { nick: 'k' },
    sends: 'GET /v1/n/k',
  },
  {
    title: 'a binding whose variable has a default value comes after one whose variable is set',
    rule: { get: '/v1/{count}', additional_bindings: [{ get: '/v1/n/{name}' }] },
    message: { name: 'n' },
    sends: 'GET /v1/n/n',
  },
  {
    title: 'a binding whose pattern the value does not have is passed over',
    rule: {
      get: '/v1/{name=rooms/*}',
      additional_bindings: [{ get: '/v1/{name=desks/*}', body: '' }],
    },
    message: { name: 'desks/1' },
    sends: 'GET /v1/desks/1',
  },
  {
    title: 'a custom HTTP method is sent as it is',
    rule: { custom: { kind: 'REPORT', path: '/v1' } },
    message: {},
    sends: 'REPORT /v1',
  },
  {
    title: 'a rule for every HTTP method is called by GET, with a body by POST',
    rule: { custom: { kind: '*', path: '/v1' }, body: '*' },
    message: {},
    sends: 'POST /v1',
    body: {},
  },
]

for (const { title, rule, message, sends, body } of rows)
  test(title, async (t) => {
    const { httpMethod, target, body: sent } = built(rule, message)
    t.equal(`${httpMethod} ${target}`, sends)
    const expected = typeof body === 'object' ? JSON.stringify(body) : body
    t.equal(sent, expected)
  })

const refused: { title: string; rule: JsonObject; message: JsonObject; says: RegExp }[] = [
  {
    title: 'an empty text has no place in a path, since the path would be another',
    rule: { delete: '/v1/{name}' },
    message: {},
    says: /^name must be set, and of the form that the path has: \/v1\/\{name\}$/,
  },
  {
    title: 'a field with presence that is not set has no place in a path',
    rule: { get: '/v1/{wrapped}' },
    message: {},
    says: /^wrapped must be set/,
  },
  {
    title: 'a value that does not have the form of its variable is refused',
    rule: { get: '/v1/{name=rooms/*}' },
    message: { name: 'rooms/1/2' },
    says: /^name must be set, and of the form .*\/v1\/\{name=rooms\/\*\}$/,
  },
  {
    title: 'an empty segment inside a value is refused',
    rule: { get: '/v1/{name=rooms/*}' },
    message: { name: 'rooms/' },
    says: /^name must be set/,
  },
  {
    title: 'a list of messages is refused in a query',
    rule: { get: '/v1' },
    message: { list: [{ text: 'a' }] },
    says: /^list is of type test\.v1\.Inner, which a query cannot carry$/,
  },
  {
    title: 'a map of messages is refused in a query',
    rule: { get: '/v1' },
    message: { inners: { a: {} } },
    says: /^inners\[a\] is of type test\.v1\.Inner/,
  },
  {
    title: 'a value of any type is refused in a query, which would make a text of it',
    rule: { get: '/v1' },
    message: { value: 5 },
    says: /^value is of type google\.protobuf\.Value/,
  },
]

for (const { title, rule, message, says } of refused)
  test(title, async (t) => {
    const err = t.throws(() => built(rule, message))
    t.match(err, { code: Code.InvalidArgument, rawMessage: says })
    t.ok(err instanceof ConnectError)
  })

for (const [place, path, init] of [
  ['path', '/v1/{name}', { name: '\ud800' }],
  ['query', '/v1', { name: '\udc00' }],
] as const)
  test(`a lone surrogate in the ${place} is refused`, async (t) => {
    const call: [string, string, JsonObject] = ['Req', 'Req', { get: path }]
    const { service } = compileSchema({ messages, enums, methods: { Call: call } })
    const [method] = service.methods as [DescMethod]
    const message = create(method.input, init)
    const err = t.throws(() => buildRequest(clientRoutes(method), message))
    const rawMessage = 'name must be Unicode text without lone surrogates'
    t.match(err, { code: Code.InvalidArgument, rawMessage })
  })

test('a message that has no JSON form is refused', async (t) => {
  const rule = { post: '/v1', body: '*' }
  const { service } = compileSchema({ messages, enums, methods: { Call: ['Req', 'Req', rule] } })
  const { input } = service.methods[0] as DescMethodUnary
  const message = fromJson(input, { mask: 'a' }) as { mask?: { paths: string[] } } & Message
  if (message.mask) message.mask.paths = ['line_1']
  const err = t.throws(() => buildRequest(clientRoutes(service.methods[0] as DescMethod), message))
  t.match(err, { code: Code.InvalidArgument, rawMessage: /^test\.v1\.Req has no JSON form: / })
})

const files = serviceIn(testProtos(), 'test.client.v1.Files')

for (const [name, says] of [
  ['Watch', /^test\.client\.v1\.Files\.Watch has no google\.api\.http rule$/],
  ['Fetch', /^test\.client\.v1\.Files\.Fetch takes or gives google\.api\.HttpBody$/],
  ['Put', /^test\.client\.v1\.Files\.Put takes or gives google\.api\.HttpBody$/],
] as const)
  test(`${name}, which its rule does not let a client call, is unimplemented`, async (t) => {
    const method = files.methods.find((each) => each.name === name) as DescMethod
    const err = t.throws(() => clientRoutes(method))
    t.match(err, { code: Code.Unimplemented, rawMessage: says })
  })
