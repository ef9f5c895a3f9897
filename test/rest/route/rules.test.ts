import { create, createFileRegistry, setExtension } from '@bufbuild/protobuf'
import type { DescFile, DescMethod } from '@bufbuild/protobuf'
import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FileDescriptorProtoSchema,
  MethodOptionsSchema,
  file_google_protobuf_duration,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
} from '@bufbuild/protobuf/wkt'
import { test } from 'tap'
import { User } from '../../../src/gen/api/user/v1/user_pb.ts'
import { http } from '../../../src/gen/google/api/annotations_pb.ts'
import { CustomHttpPatternSchema, HttpRuleSchema } from '../../../src/gen/google/api/http_pb.ts'
import type { HttpRule } from '../../../src/gen/google/api/http_pb.ts'
import { httpBindings } from '../../../src/rest/route/rules.ts'

interface Rule {
  pattern?:
    | { case: 'get' | 'put' | 'post' | 'delete' | 'patch'; value: string }
    | { case: 'custom'; value: { kind: string; path: string } }
  body?: string
  responseBody?: string
  additionalBindings?: Rule[]
}

const dependencies: DescFile[] = [
  file_google_protobuf_duration,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
]

/** A field of Req: a scalar type, or the name of a message. */
function field(name: string, number: number, type: Type | string, label = Label.OPTIONAL) {
  if (typeof type !== 'string') return { name, number, type, label }
  return { name, number, type: Type.MESSAGE, typeName: type, label }
}

const request = {
  name: 'Req',
  field: [
    field('id', 1, Type.INT64),
    field('page_size', 2, Type.INT32),
    { ...field('color', 3, Type.ENUM), typeName: '.test.v1.Color' },
    field('tags', 4, Type.STRING, Label.REPEATED),
    field('labels', 5, '.test.v1.Req.LabelsEntry', Label.REPEATED),
    field('parent', 6, '.test.v1.Req'),
    field('parents', 7, '.test.v1.Req', Label.REPEATED),
    field('wrapped', 8, '.google.protobuf.StringValue'),
    field('at', 9, '.google.protobuf.Timestamp'),
    field('for', 10, '.google.protobuf.Duration'),
    field('mask', 11, '.google.protobuf.FieldMask'),
    field('any_json', 12, '.google.protobuf.Struct'),
    field('raw', 13, Type.BYTES),
  ],
  nestedType: [
    {
      name: 'LabelsEntry',
      options: { mapEntry: true },
      field: [field('key', 1, Type.STRING), field('value', 2, Type.STRING)],
    },
  ],
}

function httpRule({ pattern, additionalBindings = [], ...rest }: Rule): HttpRule {
  const rule = create(HttpRuleSchema, {
    ...rest,
    additionalBindings: additionalBindings.map(httpRule),
  })
  if (pattern?.case === 'custom')
    rule.pattern = { case: 'custom', value: create(CustomHttpPatternSchema, pattern.value) }
  else if (pattern) rule.pattern = pattern
  return rule
}

/** The method test.v1.S.Do of test/v1/s.proto with this rule. */
function method(rule?: Rule): DescMethod {
  const options = create(MethodOptionsSchema)
  if (rule) setExtension(options, http, httpRule(rule))
  const proto = create(FileDescriptorProtoSchema, {
    name: 'test/v1/s.proto',
    package: 'test.v1',
    syntax: 'proto3',
    dependency: dependencies.map((file) => file.proto.name),
    messageType: [request, { name: 'Reply', field: [field('item', 1, '.test.v1.Req')] }],
    enumType: [{ name: 'Color', value: [{ name: 'COLOR_UNSPECIFIED', number: 0 }] }],
    service: [
      {
        name: 'S',
        method: [{ name: 'Do', inputType: '.test.v1.Req', outputType: '.test.v1.Reply', options }],
      },
    ],
  })
  const registry = createFileRegistry(proto, (name) =>
    dependencies.find((file) => file.proto.name === name),
  )
  const found = registry.getService('test.v1.S')?.methods[0]
  if (!found) throw new Error('the test descriptor has no method')
  return found
}

const get = (path: string): Rule => ({ pattern: { case: 'get', value: path } })
const custom = (kind: string): Rule => ({
  pattern: { case: 'custom', value: { kind, path: '/v1/x' } },
})

function refusal(rule: Rule): string {
  try {
    httpBindings(method(rule))
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  return ''
}

test('the rules of the user API are read as written', async (t) => {
  const { createUser, getUser, listUsers, updateUser, deleteUser } = User.method
  const bindings = [createUser, getUser, listUsers, updateUser, deleteUser].flatMap(httpBindings)
  t.strictSame(
    bindings.map((each) => [each.method.name, each.httpMethod, each.template.source, each.body]),
    [
      ['CreateUser', 'POST', '/v1/users', '*'],
      ['GetUser', 'GET', '/v1/users/{id}', ''],
      ['ListUsers', 'GET', '/v1/users', ''],
      ['UpdateUser', 'PATCH', '/v1/users/{id}', 'user'],
      ['DeleteUser', 'DELETE', '/v1/users/{id}', ''],
    ],
  )
})

test('a method without the option has no bindings', async (t) => {
  t.strictSame(httpBindings(method()), [])
})

test('additional bindings follow the rule, each with its own body', async (t) => {
  const bindings = httpBindings(
    method({
      ...get('/v1/{id}'),
      responseBody: 'item',
      additionalBindings: [
        { pattern: { case: 'put', value: '/v1/{id}:put' }, body: 'parent' },
        { pattern: { case: 'custom', value: { kind: '*', path: '/v1/{parent.id}/any' } } },
        { pattern: { case: 'custom', value: { kind: 'REPORT', path: '/r' } }, body: '*' },
      ],
    }),
  )
  t.strictSame(
    bindings.map((each) => [each.httpMethod, each.template.source, each.body, each.responseBody]),
    [
      ['GET', '/v1/{id}', '', 'item'],
      ['PUT', '/v1/{id}:put', 'parent', ''],
      ['*', '/v1/{parent.id}/any', '', ''],
      ['REPORT', '/r', '*', ''],
    ],
  )
})

test('a path may fill scalars, enums, wrappers, Timestamp, Duration and FieldMask at any depth', async (t) => {
  for (const name of ['id', 'color', 'raw', 'wrapped', 'at', 'for', 'mask', 'parent.parent.at'])
    t.equal(refusal(get(`/v1/{${name}}`)), '', name)
})

test('a path may fill a field inside the body field', async (t) => {
  t.equal(refusal({ pattern: { case: 'patch', value: '/v1/{parent.id}' }, body: 'parent' }), '')
})

const refusals: [rule: Rule, message: RegExp][] = [
  [get('/v1/'), /path template "\/v1\/", column 5: empty segment/],
  [
    get('/v1/{nope}'),
    /"\/v1\/\{nope\}", column 6: variable names "nope", which test\.v1\.Req lacks/,
  ],
  [get('/v1/{pageSize}'), /column 6: variable names "pageSize".* it has: id, page_size, /],
  [get('/{id}/{parent.nope=*}'), /column 8: variable names "nope"/],
  [get('/v1/{tags}'), /column 6: variable "tags": "tags" is repeated; a path can fill a scalar/],
  [get('/v1/{labels}'), /column 6: variable "labels": "labels" is of kind map/],
  [get('/v1/{parent}'), /column 6: variable "parent": "parent" is the message test\.v1\.Req/],
  [get('/v1/{any_json}'), /is the message google\.protobuf\.Struct/],
  [get('/v1/{parents.id}'), /"parents" is repeated, so it has no fields to go into/],
  [get('/v1/{id.x}'), /"id" is of kind scalar, so it has no fields to go into/],
  [
    get('/v1/{wrapped.value}'),
    /"wrapped" is the message google\.protobuf\.StringValue, so it has no/,
  ],
  [{ ...get('/v1'), body: 'nope' }, /"\/v1": body names "nope", which test\.v1\.Req lacks/],
  [{ ...get('/v1'), body: 'parent.id' }, /"\/v1": body "parent\.id" is nested/],
  [{ ...get('/v1'), responseBody: 'id' }, /response_body names "id", which test\.v1\.Reply lacks/],
  [{ ...get('/v1'), responseBody: 'item.id' }, /response_body "item\.id" is nested/],
  [{ ...get('/v1/{id}'), body: 'id' }, /column 6: "id" is bound by the path and by the body/],
  [custom('BREW'), /"\/v1\/x": custom kind "BREW" is no HTTP method/],
  [custom('head'), /custom kind "head" is no HTTP method that Node knows \(they are upper-case\)/],
  [{}, /the rule has no pattern: set get, put/],
  [{ ...get('/v1'), additionalBindings: [{}] }, /the rule has no pattern/],
  [
    { ...get('/v1'), additionalBindings: [{ ...get('/a'), additionalBindings: [get('/b')] }] },
    /additional_bindings nest one level only/,
  ],
]

test('a rule that cannot work is refused with its proto file, method and template', async (t) => {
  for (const [rule, message] of refusals) {
    const text = refusal(rule)
    t.match(text, message)
    t.ok(text.startsWith('test/v1/s.proto: test.v1.S.Do: '), text)
  }
})
