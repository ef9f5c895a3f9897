import { createRegistry, type JsonValue } from '@bufbuild/protobuf'
import { test } from 'tap'
import type { RestPluginOptions } from '../../../src/rest/options.ts'
import { GetUserRequestSchema } from '../../../src/gen/api/user/v1/user_pb.ts'
import { compileSchema } from '../schema.ts'
import { parameterError, serveRecorded } from '../serve.ts'

const schema = compileSchema({
  enums: { Color: ['COLOR_UNSPECIFIED', 'RED', 'GREEN'] },
  messages: {
    Thing: `string name; int64 size; bool ok; bytes raw; double weight; Color color;
      repeated string tags; repeated Color colors; map<string, string> labels;
      map<int32, bool> flags; Thing parent; optional string nick;
      choice/string text; choice/int32 number; choice/Thing nested; choice/google.protobuf.Int64Value boxed;
      google.protobuf.Timestamp at; google.protobuf.Duration took; google.protobuf.FieldMask mask;
      google.protobuf.StringValue word; google.protobuf.Int32Value count;
      google.protobuf.Struct free; google.protobuf.Value any_value; google.protobuf.ListValue items;
      google.protobuf.Any packed; google.protobuf.Empty nothing; repeated Thing children; string etag;
      repeated google.protobuf.Duration steps; google.protobuf.NullValue nil`,
    PatchReq: 'string id; Thing thing; google.protobuf.FieldMask update_mask',
    PatchOptionalReq: 'string id; Optional thing; google.protobuf.FieldMask update_mask',
    Optional: 'optional string name; optional int32 size',
    Reply: 'string ok',
  },
  methods: {
    Get: ['Thing', 'Reply', { get: '/v1/things/{name}' }],
    Search: ['Thing', 'Reply', { get: '/v1/search' }],
    Put: ['Thing', 'Reply', { put: '/v1/things/{name}', body: '*' }],
    PutNested: ['Thing', 'Reply', { put: '/v1/parents/{parent.name=parents/*}', body: 'parent' }],
    PutTags: ['Thing', 'Reply', { put: '/v1/tags', body: 'tags' }],
    PutLabels: ['Thing', 'Reply', { put: '/v1/labels', body: 'labels' }],
    PutSize: ['Thing', 'Reply', { put: '/v1/size', body: 'size' }],
    PutFree: ['Thing', 'Reply', { put: '/v1/free', body: 'any_value' }],
    PutText: ['Thing', 'Reply', { put: '/v1/texts/{text}', body: '*' }],
    PutAt: ['Thing', 'Reply', { put: '/v1/times/{at}', body: '*' }],
    Patch: ['PatchReq', 'Reply', { patch: '/v1/things/{id}', body: 'thing' }],
    PatchOptional: ['PatchOptionalReq', 'Reply', { patch: '/v1/optional/{id}', body: 'thing' }],
  },
})

interface Sent {
  method?: 'GET' | 'PUT' | 'PATCH'
  url: string
  /** Text goes as it is. */
  body?: JsonValue
  type?: string
  options?: Partial<RestPluginOptions>
  headers?: Record<string, string>
}

/** What the handler was given, or the body of the refusal. */
async function bound({ method, url, body, type = 'application/json', options, headers }: Sent) {
  const { app, seen } = serveRecorded(schema, options)
  const answer = await app.inject({
    method: method ?? (body === undefined ? 'GET' : 'PUT'),
    url,
    ...(body !== undefined && { payload: typeof body === 'string' ? body : JSON.stringify(body) }),
    headers: { ...(body !== undefined && { 'content-type': type }), ...headers },
  })
  return answer.statusCode === 200 ? seen[0] : answer.json<JsonValue>()
}

const search = (query: string, options?: Partial<RestPluginOptions>) =>
  bound({ url: `/v1/search?${query}`, ...(options && { options }) })

test('a query fills scalars, enums, lists and nested messages by proto or JSON names', async (t) => {
  t.strictSame(await search('name=a+b&size=-5&ok=true&weight=1e3&color=RED&color=2'), {
    code: 400,
    reason: 'INVALID_PARAMETER',
    message: 'color: is given more than once',
    metadata: { color: 'is given more than once' },
  })
  t.strictSame(await search('name=a%2Bb&size=-5&ok=true&weight=1e3&color=7'), {
    name: 'a+b',
    size: '-5',
    ok: true,
    weight: 1000,
    color: 7,
  })
  t.strictSame(await search('tags=&tags=b&colors=RED&colors=2&parent.parent.name=x'), {
    tags: ['', 'b'],
    colors: ['RED', 'GREEN'],
    parent: { parent: { name: 'x' } },
  })
})

test('bytes are read in the four forms of base64, and in no other', async (t) => {
  for (const text of ['-_8=', '-_8', '%2B/8=', '%2B/8'])
    t.strictSame(await search(`raw=${text}`), { raw: '+/8=' }, text)
  for (const text of ['a', 'ab=', 'ab===', 'a b=', '====', 'ab*='])
    t.match(
      await search(`raw=${encodeURIComponent(text)}`),
      parameterError({ raw: /base64/ as never }),
      text,
    )
  for (const raw of ['-_8=', '-_8', '+/8=', '+/8'])
    t.strictSame(await bound({ url: '/v1/things/a', body: { raw } }), { name: 'a', raw: '+/8=' })
})

test('the well-known types of one text are read from a query, quoted or not', async (t) => {
  const expected = {
    at: '2026-01-31T12:00:00Z',
    took: '1.500s',
    mask: 'a,bC.d',
    word: '"x"',
    count: 5,
  }
  t.strictSame(
    await search('at=2026-01-31T12:00:00Z&took=1.5s&mask=a,b_c.d&word="x"&count=5'),
    expected,
  )
  t.strictSame(
    await search('at="2026-01-31T12:00:00Z"&took="1.5s"&mask="a,bC.d"&word="x"&count="5"'),
    expected,
  )
  t.strictSame(await search('boxed=5'), { boxed: '5' })
  t.strictSame(await search('steps=1s&steps=2s'), { steps: ['1s', '2s'] })
})

test("durations are read in Go's syntax too, unless that is switched off", async (t) => {
  for (const [text, expected] of [
    ['1m30s', '90s'],
    ['-1.5h', '-5400s'],
    ['1h2m3.004s', '3723.004s'],
    ['100ms', '0.100s'],
    ['7%C2%B5s', '0.000007s'],
    ['.5m', '30s'],
    ['0', undefined],
  ] as const)
    t.strictSame(await search(`took=${text}`), { took: expected ?? '0s' }, text)
  for (const text of ['1', '1x', 's', '1m30', '', '-', '9999999999h', `${'1'.repeat(99)}s`])
    t.match(await search(`took=${text}`), { code: 400 }, text)
  t.match(await search('took=1m30s', { goDurations: false }), { code: 400 })
})

test('what a text cannot be is refused with what is allowed', async (t) => {
  const refused = {
    size: '9223372036854775808',
    ok: '1',
    weight: '0x10',
    color: 'red',
    at: 'yesterday',
    count: '1.0',
    nil: 'none',
    free: '{}',
    labels: 'a',
    children: 'x',
    items: '[]',
    packed: '{}',
  }
  for (const [key, value] of Object.entries(refused))
    t.match(
      await search(`${key}=${encodeURIComponent(value)}`),
      { code: 400, reason: 'INVALID_PARAMETER', metadata: { [key]: String } },
      key,
    )
  for (const key of ['size', 'ok', 'weight', 'color', 'at', 'took', 'count'])
    t.match(await search(`${key}=`), { code: 400 }, `${key} without a value`)
})

test('a time that no calendar or clock has is refused in queries, paths and bodies', async (t) => {
  const refused = { code: 400, metadata: { at: /^must be an RFC 3339 time/ } }
  for (const at of [
    '2026-02-30T00:00:00Z',
    '2025-02-29T00:00:00+01:00',
    '2025-02-29T24:00:00Z',
    '2026-01-01T24:00:00Z',
    '2016-12-31T23:59:60Z',
    '1900-02-29T00:00:00.5Z',
  ]) {
    t.match(await search(`at=${encodeURIComponent(at)}`), refused, at)
    t.match(await bound({ url: `/v1/times/${encodeURIComponent(at)}`, body: {} }), refused, at)
    t.match(await bound({ url: '/v1/things/a', body: { at } }), refused, at)
    t.match(
      await bound({ url: '/v1/things/a', body: { children: [{ at }] } }),
      { code: 400, reason: 'MALFORMED_BODY', metadata: { 'children[0].at': String } },
      at,
    )
  }
  for (const at of ['2024-02-29T23:59:59.999Z', '2000-02-29T00:00:00Z', '0001-01-01T00:00:00Z'])
    t.strictSame(await search(`at=${at}`), { at })
  t.strictSame(await search('at=2026-01-31T23:30:00-01:00'), { at: '2026-02-01T00:30:00Z' })
})

test('no parameter goes into a well-known type', async (t) => {
  for (const key of [
    'count.value',
    'at.seconds',
    'any_value.string_value',
    'packed.type_url',
    'mask.paths',
    'boxed.value',
  ])
    t.match(await search(`${key}=1`), parameterError({ [key]: /^is not known/ as never }), key)
})

test('enum names are read in any case when that is asked for', async (t) => {
  t.strictSame(await search('color=green', { caseInsensitiveEnums: true }), { color: 'GREEN' })
})

test('an unknown parameter is refused with a suggestion, or ignored when that is asked for', async (t) => {
  t.match(
    await search('nmae=x'),
    parameterError({ nmae: /^is not known; did you mean name\?; allowed are name, size/ as never }),
  )
  t.strictSame(await search('nmae=x&name=y', { unknownParameters: 'ignore' }), { name: 'y' })
  const several = await search(Array.from({ length: 40 }, (_, at) => `x${at}=`).join('&'))
  t.equal(Object.keys((several as { metadata: object }).metadata).length, 16)
})

test('a query beside body "*" is refused, or ignored when that is asked for', async (t) => {
  const request = { url: '/v1/things/a?size=5', body: {} }
  t.match(await bound(request), parameterError({ size: /takes its fields from the body/ as never }))
  const options = { unknownParameters: 'ignore' } as const
  t.strictSame(await bound({ ...request, options }), { name: 'a' })
})

test('a query may repeat the path and not contradict it, unless the path is to win', async (t) => {
  t.strictSame(await bound({ url: '/v1/things/a?name=a' }), { name: 'a' })
  t.match(
    await bound({ url: '/v1/things/a?name=b' }),
    parameterError({ name: 'has another value in the query than in the path' }),
  )
  const options = { conflicts: 'path-wins' } as const
  t.strictSame(await bound({ url: '/v1/things/a?name=b', options }), { name: 'a' })
})

test('a body may repeat the path and not contradict it, unless the path is to win', async (t) => {
  t.strictSame(await bound({ url: '/v1/things/a', body: { name: 'a' } }), { name: 'a' })
  t.strictSame(await bound({ url: '/v1/things/a', body: { name: '' } }), { name: 'a' })
  t.match(
    await bound({ url: '/v1/things/a', body: { name: 'b' } }),
    parameterError({ name: 'has another value in the body than in the path' }),
  )
  const options = { conflicts: 'path-wins' } as const
  t.strictSame(await bound({ url: '/v1/things/a', body: { name: 'b' }, options }), { name: 'a' })
  const at = '2026-01-31T12:00:00Z'
  t.strictSame(await bound({ url: `/v1/times/${at}`, body: { at } }), { at })
})

test('a default value that a proto gives a field is no value of the body', async (t) => {
  const compiled = compileSchema({
    syntax: 'proto2',
    messages: { Item: 'int32 id = 5; string name = none; string etag = "first"; Item part' },
    methods: {
      Put: ['Item', 'Item', { put: '/v1/items/{id}/{part.name}', body: '*' }],
      Get: ['Item', 'Item', { get: '/v1/items/{id}', responseBody: 'name' }],
    },
  })
  const { app, seen } = serveRecorded(compiled)
  const put = (payload: object) =>
    app.inject({ method: 'PUT', url: '/v1/items/7/n', headers: { 'if-match': '"a"' }, payload })
  for (const body of [{}, { id: 7 }, { part: {} }, { part: { name: 'n' } }]) {
    t.equal((await put(body)).statusCode, 200, JSON.stringify(body))
    t.strictSame(seen.pop(), { id: 7, part: { name: 'n' }, etag: '"a"' })
  }
  for (const body of [{ id: 5 }, { part: { name: 'none' } }])
    t.equal((await put(body)).statusCode, 400, JSON.stringify(body))
  t.equal((await app.inject('/v1/items/7?id=7')).body, '"none"', 'the default is an answer')
})

test('members of one oneof exclude each other, also nested ones and across body and path', async (t) => {
  t.match(
    await search('text=a&number=1'),
    parameterError({ number: /together with text/ as never }),
  )
  t.match(
    await search('nested.name=a&number=1'),
    parameterError({ number: /together with nested/ as never }),
  )
  t.match(
    await search('number=1&nested.name=a'),
    parameterError({ 'nested.name': /together with number/ as never }),
  )
  t.match(
    await bound({ url: '/v1/texts/a', body: { number: 1 } }),
    parameterError({ text: /together with number/ as never }),
  )
})

test('map entries are parameters when that is asked for', async (t) => {
  const options = { mapParameters: true }
  t.strictSame(await search('labels[a]=1&labels[b]=2&flags[-7]=true', options), {
    labels: { a: '1', b: '2' },
    flags: { '-7': true },
  })
  t.strictSame(await search('labels[__proto__]=x', options), { labels: { ['__proto__']: 'x' } })
  t.match(await search('labels[a]=1&labels[a]=2', options), { code: 400 })
  t.match(await search('flags[x]=true', options), { code: 400 })
  t.match(await search('labels[a]=1'), { code: 400 })
})

test('a list takes as many values as are allowed', async (t) => {
  const options = { maxRepeated: 2 }
  t.strictSame(await search('tags=a&tags=b', options), { tags: ['a', 'b'] })
  t.match(
    await search('tags=a&tags=b&tags=c', options),
    parameterError({ tags: 'is given more than 2 times' }),
  )
})

test('a key of more than a hundred names is unknown', async (t) => {
  t.strictSame((await search(`${'parent.'.repeat(99)}name=x`)) !== undefined, true)
  t.match(await search(`${'parent.'.repeat(100)}name=x`), { code: 400 })
})

test('body fields of every kind are read: message, list, map, scalar, any JSON', async (t) => {
  const put = (url: string, body: JsonValue) => bound({ url, body })
  t.strictSame(await put('/v1/parents/parents/p?size=3', { nick: 'n' }), {
    size: '3',
    parent: { name: 'parents/p', nick: 'n' },
  })
  t.strictSame(await put('/v1/tags?size=1', ['a', 'b']), { tags: ['a', 'b'], size: '1' })
  t.strictSame(await put('/v1/labels', { a: 'b' }), { labels: { a: 'b' } })
  t.strictSame(await put('/v1/size', '"5"'), { size: '5' })
  t.strictSame(await put('/v1/size', '9007199254740993'), { size: '9007199254740993' })
  t.strictSame(await put('/v1/free', [1, null]), { anyValue: [1, null] })
  t.match(await put('/v1/tags', { a: 1 }), { code: 400, reason: 'MALFORMED_BODY' })
  t.match(await put('/v1/size', '1,"name":"x"'), { code: 400, reason: 'MALFORMED_BODY' })
  t.match(await put('/v1/labels', '{"a":"1","a":"2"}'), { code: 400, reason: 'MALFORMED_BODY' })
})

test('an empty body is an empty message', async (t) => {
  t.strictSame(await bound({ url: '/v1/things/a', body: '' }), { name: 'a' })
  t.strictSame(await bound({ url: '/v1/size', body: '' }), {})
})

test('64-bit integers in a body are exact or refused, whatever their spelling', async (t) => {
  const size = (text: string) => bound({ url: '/v1/things/a', body: `{"size":${text}}` })
  t.match(await size('9007199254740993'), { size: '9007199254740993' })
  t.match(await size('-9223372036854775808'), { size: '-9223372036854775808' })
  for (const text of ['9223372036854775808', '9007199254740993.0', '9.007199254740993e15', '1e400'])
    t.match(await size(text), { code: 400, reason: 'MALFORMED_BODY' }, text)
  t.match(await bound({ url: '/v1/things/a', body: '{"weight":1e20}' }), { weight: 1e20 })
  t.match(await bound({ url: '/v1/things/a', body: '{12345678901234567:1}' }), { code: 400 })
})

test('long numbers in free JSON stay numbers, also beside exact integers', async (t) => {
  const body = `{"size":9007199254740993,"free":{"n":[12345678901234567890]},
    "children":[{"anyValue":12345678901234567890}],"labels":{"free":"12345678901234567890"}}`
  t.strictSame(await bound({ url: '/v1/things/a', body }), {
    name: 'a',
    size: '9007199254740993',
    free: { n: [12345678901234567000] },
    children: [{ anyValue: 12345678901234567000 }],
    labels: { free: '12345678901234567890' },
  })
})

test('a number beyond every double is refused wherever it stands', async (t) => {
  for (const body of ['{"weight":1e309}', '{"anyValue":-1e309}', '{"free":{"a":[1e309]}}'])
    t.match(
      await bound({ url: '/v1/things/a', body }),
      { code: 400, reason: 'MALFORMED_BODY' },
      body,
    )
  t.match(await bound({ url: '/v1/free', body: '1e309' }), { code: 400 })
})

test('the well-known types are read from a body', async (t) => {
  const body = {
    at: '2026-01-31T12:00:00Z',
    took: '1.500s',
    mask: 'a,bC',
    word: 'w',
    count: 0,
    free: { a: [1, 'x', null, { b: true }] },
    anyValue: 'v',
    items: [1, []],
    packed: { '@type': 'type.googleapis.com/api.user.v1.GetUserRequest', id: '5' },
    nothing: {},
  }
  const types = createRegistry(GetUserRequestSchema)
  t.strictSame(await bound({ url: '/v1/things/a', body, options: { types } }), {
    name: 'a',
    ...body,
  })
})

test('unknown keys of a body are ignored, or refused when that is asked for', async (t) => {
  const request = { url: '/v1/things/a', body: { colour: 'RED' } }
  t.strictSame(await bound(request), { name: 'a' })
  const options = { unknownFields: 'refuse' } as const
  t.match(await bound({ ...request, options }), { code: 400, reason: 'MALFORMED_BODY' })
})

const form = 'application/x-www-form-urlencoded'

test('a form fills the message or the field that is the body', async (t) => {
  const put = (url: string, body: string) => bound({ url, body, type: form })
  t.strictSame(await put('/v1/things/a', 'size=5&tags=x&tags=y+z&parent.name=p%26'), {
    name: 'a',
    size: '5',
    tags: ['x', 'y z'],
    parent: { name: 'p&' },
  })
  t.strictSame(await put('/v1/parents/parents/p', 'nick=n'), {
    parent: { name: 'parents/p', nick: 'n' },
  })
  t.match(
    await put('/v1/things/a', 'szie=5'),
    parameterError({ szie: /did you mean size/ as never }),
  )
  t.match(await put('/v1/things/a', '$alt=json'), parameterError({ $alt: String as never }))
  t.match(await put('/v1/tags', 'tags=x'), { code: 415, reason: 'UNSUPPORTED_MEDIA_TYPE' })
})

test('an absent update mask is derived from what the body of a PATCH names', async (t) => {
  const patch = (url: string, body: JsonValue, type?: string) =>
    bound({ method: 'PATCH', url, body, ...(type && { type }) })
  const thing = { name: '', parent: { size: '5', nick: 'n' }, labels: { a: 'b' }, took: '1s' }
  t.match(await patch('/v1/things/1', thing), {
    updateMask: 'name,labels,took,parent.size,parent.nick',
  })
  t.match(await patch('/v1/things/1', { word: null, parent: {}, unknown: 1 }), {
    updateMask: 'word,parent',
  })
  t.match(await patch('/v1/things/1?update_mask=size', thing), { updateMask: 'size' })
  t.match(await patch('/v1/things/1?update_mask=*', thing), { updateMask: '*' })
  t.match(await patch('/v1/things/1', 'size=1&parent.nick=n', form), {
    updateMask: 'size,parent.nick',
  })
  t.strictSame(await patch('/v1/optional/1', { name: 'x' }), { id: '1', thing: { name: 'x' } })
})
