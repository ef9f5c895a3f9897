import { ScalarType } from '@bufbuild/protobuf'
import { createValidator } from '@bufbuild/protovalidate'
import { test } from 'tap'
import { compileRoutes } from '../../../src/rest/compiled-route.ts'
import { restDocument } from '../../../src/rest/openapi/document.ts'
import { limited, scalarSchemas } from '../../../src/rest/openapi/scalar-schema.ts'
import { serviceIn, testProtos } from '../descriptors.ts'
import { compileSchema, type Schema } from '../schema.ts'
import { isValid } from './valid.ts'

const options = {
  title: 'test',
  version: '1',
  description: '',
  comments: {},
  emitDefaults: true,
  validator: createValidator(),
}

function documentOf({ service }: Pick<ReturnType<typeof compileSchema>, 'service'>) {
  const routes = compileRoutes({ routes: (router) => router.service(service, {}) })
  return restDocument(
    routes.routes.map(({ target }) => target),
    options,
  )
}

const messages = {
  Name: 'string name; string other; Child child',
  Child: 'string text; Child child; int64 number',
  Empty: '',
}

/** The document of methods with these rules, each from Name to Name. */
function documentOfRules(rules: Record<string, Schema['methods'][string][2]>) {
  const methods = Object.entries(rules).map(([name, rule]) => [name, ['Name', 'Name', rule]])
  return documentOf(compileSchema({ messages, methods: Object.fromEntries(methods) }))
}

test('a path has one parameter for each wildcard, and its verb', async (t) => {
  const document = documentOfRules({
    Plain: { get: '/v1/{name}' },
    Nested: { get: '/v1/nested/{child.text}' },
    Wild: { get: '/v1/{name=shelves/*/books/*}:read' },
    Deep: { get: '/v1/files/{name=**}' },
  })
  t.strictSame(Object.keys(document.paths).toSorted(), [
    '/v1/files/{name}',
    '/v1/nested/{child_text}',
    '/v1/shelves/{shelves_id}/books/{books_id}:read',
    '/v1/{name}',
  ])
  const deep = document.paths['/v1/files/{name}']?.get
  t.match(deep, { parameters: [{ name: 'name', 'x-multi-segment': true }] })
  await isValid(t, document)
})

test('paths that differ in names only are one path, and operations of a method are numbered', async (t) => {
  const document = documentOfRules({
    Read: { get: '/v1/{name}', additionalBindings: [{ get: '/v2/{name}' }] },
    Write: { put: '/v1/{other}', body: '*' },
  })
  t.strictSame(Object.keys(document.paths), ['/v1/{name}', '/v2/{name}'])
  t.match(document.paths['/v1/{name}'], {
    get: { operationId: 'Test_Read' },
    put: { operationId: 'Test_Write', parameters: [{ name: 'name' }] },
  })
  t.match(document.paths['/v2/{name}'], { get: { operationId: 'Test_Read_2' } })
  await isValid(t, document)
})

test('a custom HTTP method is left out', (t) => {
  const document = documentOfRules({
    Purge: { custom: { kind: 'PURGE', path: '/v1/{name}' } },
    Any: { custom: { kind: '*', path: '/v2/{name}' } },
  })
  t.strictSame(document.paths, {})
  t.end()
})

test('a body lacks the fields of the path, and a query those of path and body', (t) => {
  const document = documentOfRules({
    Whole: { post: '/v1/{name}', body: '*' },
    Part: { put: '/v1/{name}', body: 'child' },
  })
  const { post, put } = document.paths['/v1/{name}'] ?? {}
  const body = post?.requestBody as { content: Record<string, { schema: object }> } | undefined
  const { schema } = body?.content['application/json'] ?? {}
  t.strictSame(Object.keys((schema as { properties: object }).properties), ['other', 'child'])
  const parameters = put?.parameters as { name?: string; in?: string }[] | undefined
  const names = parameters?.map((each) => each.name)
  t.strictSame(names?.slice(0, 3), ['name', 'other', undefined])
  t.match(put?.requestBody, {
    content: {
      'application/json': { schema: { $ref: '#/components/schemas/test.v1.Child.Input' } },
    },
  })
  t.end()
})

test('a message that contains itself is entered once in a query', (t) => {
  const document = documentOfRules({ List: { get: '/v1/all' } })
  const { parameters } = document.paths['/v1/all']?.get ?? {}
  const names = (parameters as { name?: string; in?: string }[]).filter(
    (each) => each.in === 'query',
  )
  t.strictSame(
    names.map(({ name }) => name),
    ['name', 'other', 'child.text', 'child.number'],
  )
  t.end()
})

const rich = documentOf({ service: serviceIn(testProtos(), 'test.rest.v1.Echo') })
const schemas = (rich.components as { schemas: Record<string, Record<string, unknown>> }).schemas
const { properties: answered } = schemas['test.rest.v1.Rich'] ?? {}
const { properties: asked, allOf: exclusive } = schemas['test.rest.v1.Rich.Input'] ?? {}

test('a number with limits has no text that they refuse', (t) => {
  const double = scalarSchemas[ScalarType.DOUBLE]
  const number = { type: 'number', format: 'double' }
  t.strictSame(limited(double, {}), double)
  t.strictSame(limited(double, { minimum: 0, maximum: 1 }), { ...number, minimum: 0, maximum: 1 })
  t.strictSame(limited(double, { enum: [1] }), { ...number, enum: [1] })
  t.strictSame(limited(double, { exclusiveMinimum: 0 }), {
    anyOf: [
      { ...number, exclusiveMinimum: 0 },
      { type: 'string', const: 'Infinity' },
    ],
  })
  t.strictSame(limited(double, { maximum: 0 }), {
    anyOf: [
      { ...number, maximum: 0 },
      { type: 'string', const: '-Infinity' },
    ],
  })
  t.end()
})

test('fields have the schema of their JSON', (t) => {
  const notFinite = { type: 'string', enum: ['NaN', 'Infinity', '-Infinity'] }
  t.match(asked, {
    raw: { type: 'string', contentEncoding: 'base64', format: 'byte' },
    flag: { type: 'boolean' },
    i32: { type: 'integer', format: 'int32', minimum: -2147483648, maximum: 2147483647 },
    u32: { type: 'integer', minimum: 0, maximum: 4294967295 },
    i64: { type: 'string', format: 'int64', pattern: '^(0|-?[1-9][0-9]{0,18})$' },
    u64: { type: 'string', format: 'uint64', pattern: '^(0|[1-9][0-9]{0,19})$' },
    double: { anyOf: [{ type: 'number' }, notFinite] },
    color: { $ref: '#/components/schemas/test.rest.v1.Color' },
    texts: { type: 'array', items: { type: 'string' } },
    byText: { type: 'object', additionalProperties: { type: 'string' } },
    byI32: { propertyNames: { pattern: '^-?[0-9]+$' } },
    byFlag: { propertyNames: { enum: ['true', 'false'] } },
    at: { type: 'string', format: 'date-time' },
    span: { type: 'string', pattern: /s\$$/ },
    mask: { type: 'string', pattern: /A-Za-z/ },
    wText: { type: 'string' },
    wI64: { type: 'string', format: 'int64' },
    object: { type: 'object', additionalProperties: true },
    list: { type: 'array' },
    any: { type: 'object', properties: { '@type': { minLength: 1 } } },
    empty: { type: 'object' },
    'another-Name': { type: 'string' },
  })
  t.strictSame((asked as { value: object }).value, {})
  t.match(schemas['test.rest.v1.Color'], {
    type: 'string',
    enum: ['COLOR_UNSPECIFIED', 'RED', 'GREEN', 'ULTRA'],
  })
  t.end()
})

test('an answer has every field but optional ones and those of a oneof, and null for unset messages', (t) => {
  const { required } = schemas['test.rest.v1.Rich'] as { required: string[] }
  const missing = Object.keys(answered as object).filter((name) => !required.includes(name))
  t.ok(missing.length > 0)
  t.strictSame(
    missing.filter((name) => !/^(?:opt|choice)/.test(name)),
    [],
  )
  t.match(answered, { child: { anyOf: [{ $ref: /Child$/ }, { type: 'null' }] } })
  t.notHas(asked, { child: { anyOf: [{}] } })
  t.notHas(schemas['test.rest.v1.Rich.Input'], { required: [] })
  t.end()
})

test('a request has at most one field of a oneof', (t) => {
  const [choice] = exclusive as { 'x-oneof': string; oneOf: object[] }[]
  t.equal(choice?.['x-oneof'], 'choice')
  t.strictSame(choice?.oneOf.slice(1, 3), [
    { required: ['choiceText'] },
    { required: ['choiceS64'] },
  ])
  t.end()
})

test('a field that is the whole answer has what stands for an unset one', (t) => {
  const schemaOf = (path: string) => {
    type Responses = Record<string, { content: object }> | undefined
    const { content } = (rich.paths[path]?.get?.responses as Responses)?.['200'] ?? {}
    return (content as Record<string, { schema: object }>)['application/json']?.schema
  }
  t.match(schemaOf('/v1/part/child'), { anyOf: [{ $ref: /Child$/ }, { maxProperties: 0 }] })
  t.match(schemaOf('/v1/part/at'), { anyOf: [{ format: 'date-time' }, { type: 'null' }] })
  t.match(schemaOf('/v1/part/texts'), { type: 'array' })
  t.match(schemaOf('/v1/part/i64'), { format: 'int64' })
  t.end()
})
