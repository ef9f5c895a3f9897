import { METHODS } from 'node:http'
import { create, type JsonObject, type Message, toJson } from '@bufbuild/protobuf'
import { DurationSchema } from '@bufbuild/protobuf/wkt'
import { Code, ConnectError } from '@connectrpc/connect'
import type { HandlerContext } from '@connectrpc/connect'
import { test, type Test } from 'tap'
import { RetryInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts'
import { httpStatusKey } from '../../src/call/context.ts'
import type { RestPluginOptions } from '../../src/rest/options.ts'
import type { RawAnswer } from '../e2e/raw.ts'
import { protocols, serveRest } from './listen.ts'
import { compileSchema, type Schema } from './schema.ts'

/** What is sent, and what must come of it. */
interface Step {
  /** 'METHOD target', the target as on the wire. */
  send: string
  headers?: Record<string, string>
  body?: string
  status: number
  /** The method that is called. */
  to?: string
  /** The message that it is given, default values left out. */
  got?: JsonObject
  /** Headers of the answer; null = must not be there. */
  answer?: Record<string, string | null>
  /** A part of the answer's JSON. */
  json?: object
  /** The answer's body as it stands. */
  text?: string
}

interface Row {
  messages?: Record<string, string>
  enums?: Record<string, string[]>
  /** By method name: its rule. Each takes and gives `Item`. */
  rules: Record<string, JsonObject>
  options?: Partial<RestPluginOptions>
  handler?: (message: Message, context: HandlerContext) => object
  steps: Step[]
}

const item = {
  Item: 'string id; string parent; int64 count; bool flag; Shade shade; repeated string tags; Part part; google.protobuf.FieldMask update_mask; optional string nick; one/string left; one/string right',
  Part: 'string name; Part part; string etag',
}
const shades = { Shade: ['SHADE_UNSPECIFIED', 'DARK', 'LIGHT'] }
const json = { 'Content-Type': 'application/json' }

const violation = (name: string) => ({
  json: { code: 400, reason: 'INVALID_PARAMETER', metadata: { [name]: String } },
})

/** Rows of the table in docs/rest.md that say what a request leads to, by their topic. */
const rows: Record<string, Row> = {
  'root and empty segments: "/" has a template, and no slash is collapsed': {
    rules: { Root: { get: '/' }, A: { get: '/a' } },
    steps: [
      { send: 'GET /', status: 200, to: 'Root' },
      { send: 'GET //', status: 404 },
      { send: 'GET /a', status: 200, to: 'A' },
      { send: 'GET /a/', status: 404 },
      { send: 'GET //a', status: 404 },
      { send: 'GET /?id=x', status: 200, to: 'Root', got: { id: 'x' } },
    ],
  },
  'slashes in a row count as one when that is asked for': {
    rules: { A: { get: '/a/{id}/b' } },
    options: { mergeSlashes: true },
    steps: [
      { send: 'GET //a///x//b', status: 200, got: { id: 'x' } },
      { send: 'GET /a//b', status: 404 },
    ],
  },
  'a * takes one segment that is not empty': {
    rules: { A: { get: '/a/*' }, B: { get: '/b/{id}' } },
    steps: [
      { send: 'GET /a/x', status: 200 },
      { send: 'GET /a/', status: 404 },
      { send: 'GET /b/', status: 404 },
      { send: 'GET /a/x/y', status: 404 },
      { send: 'GET /b/%20', status: 200, got: { id: ' ' } },
    ],
  },
  'a ** takes zero segments or more': {
    rules: { A: { get: '/a/{id=**}' }, B: { get: '/b/{id=x/**}:v' } },
    steps: [
      { send: 'GET /a', status: 200, got: {} },
      { send: 'GET /a/1/2/3', status: 200, got: { id: '1/2/3' } },
      { send: 'GET /b/x:v', status: 200, got: { id: 'x' } },
      { send: 'GET /b/x/y:v', status: 200, got: { id: 'x/y' } },
      { send: 'GET /b:v', status: 404 },
    ],
  },
  'priority: literal, *, **, whatever the order of the methods, and back when a branch fails': {
    rules: {
      Deep: { get: '/v/{id=**}' },
      Star: { get: '/v/{id}' },
      Literal: { get: '/v/me' },
      Put: { put: '/v/{id}' },
      Tail: { get: '/v/me/{id}/end' },
    },
    steps: [
      { send: 'GET /v/me', status: 200, to: 'Literal' },
      { send: 'GET /v/you', status: 200, to: 'Star' },
      { send: 'GET /v/me/x', status: 200, to: 'Deep' },
      { send: 'GET /v/me/x/end', status: 200, to: 'Tail' },
      { send: 'PUT /v/me', status: 200, to: 'Put', got: { id: 'me' } },
    ],
  },
  'a variable of one segment is decoded whole, and once': {
    rules: { A: { get: '/a/{id}' } },
    steps: [
      { send: 'GET /a/x%2Fy%2fz', status: 200, got: { id: 'x/y/z' } },
      { send: 'GET /a/100%25', status: 200, got: { id: '100%' } },
      { send: 'GET /a/%252F', status: 200, got: { id: '%2F' } },
      { send: 'GET /a/%C3%A9%F0%9F%98%80', status: 200, got: { id: 'é😀' } },
      { send: 'GET /a/a%3Fb%23c', status: 200, got: { id: 'a?b#c' } },
      { send: 'GET /a/..', status: 200, got: { id: '..' } },
      { send: 'GET /a/%', status: 400, json: { reason: 'MALFORMED_URL' } },
      { send: 'GET /a/%zz', status: 400, json: { reason: 'MALFORMED_URL' } },
      { send: 'GET /a/%FF', status: 400, json: { reason: 'MALFORMED_URL' } },
      { send: 'GET /a/%C0%AF', status: 400, json: { reason: 'MALFORMED_URL' } },
      { send: 'GET /a/x?id=%', status: 400, json: { reason: 'MALFORMED_URL' } },
    ],
  },
  'a variable of several segments keeps %2F as it was written': {
    rules: { A: { get: '/a/{id=x/*}' }, B: { get: '/b/{id=**}' } },
    steps: [
      { send: 'GET /a/x/y%2Fz', status: 200, got: { id: 'x/y%2Fz' } },
      { send: 'GET /b/x%2fy/%25%3F%20', status: 200, got: { id: 'x%2fy/%? ' } },
    ],
  },
  'a variable of several segments keeps what is reserved when that is asked for': {
    rules: { B: { get: '/b/{id=**}' } },
    options: { unescape: 'all-except-reserved' },
    steps: [{ send: 'GET /b/x%2Fy/%3F%20', status: 200, got: { id: 'x%2Fy/%3F ' } }],
  },
  'a variable of several segments is decoded whole when that is asked for': {
    rules: { B: { get: '/b/{id=**}' } },
    options: { unescape: 'all' },
    steps: [{ send: 'GET /b/x%2Fy/%3F%20', status: 200, got: { id: 'x/y/? ' } }],
  },
  'a + is a plus in the path and a space in the query': {
    rules: { A: { get: '/a/{id}' } },
    steps: [
      {
        send: 'GET /a/1+1?parent=1+1%2B1',
        status: 200,
        got: { id: '1+1', parent: '1 1+1' },
      },
    ],
  },
  'only a registered verb is split off, the longest one': {
    rules: {
      Get: { get: '/a/{id}' },
      Ban: { post: '/a/{id}:ban' },
      SoftBan: { post: '/a/{id}:soft:ban' },
      List: { get: '/a:list' },
    },
    steps: [
      { send: 'GET /a/urn:isbn:1', status: 200, to: 'Get', got: { id: 'urn:isbn:1' } },
      { send: 'POST /a/1:ban', status: 200, to: 'Ban', got: { id: '1' } },
      { send: 'POST /a/1:soft:ban', status: 200, to: 'SoftBan', got: { id: '1' } },
      { send: 'POST /a/x:1:ban', status: 200, to: 'Ban', got: { id: 'x:1' } },
      { send: 'GET /a/1:ban', status: 200, to: 'Get', got: { id: '1:ban' } },
      { send: 'GET /a:list', status: 200, to: 'List' },
      { send: 'GET /a:nope', status: 404 },
      { send: 'POST /a/1%3Aban', status: 405 },
    ],
  },
  'custom methods of any name that node knows, and * for the rest': {
    rules: {
      Purge: { custom: { kind: 'PURGE', path: '/a/{id}' } },
      Query: { custom: { kind: 'QUERY', path: '/a/{id}' }, body: '*' },
      Any: { custom: { kind: '*', path: '/any/{id}' } },
      Get: { get: '/any/{id}' },
    },
    steps: [
      { send: 'PURGE /a/1', status: 200, to: 'Purge', got: { id: '1' } },
      {
        send: 'QUERY /a/1',
        headers: json,
        body: '{"parent":"p"}',
        status: 200,
        to: 'Query',
        got: { id: '1', parent: 'p' },
      },
      { send: 'REPORT /any/1', status: 200, to: 'Any' },
      { send: 'GET /any/1', status: 200, to: 'Get' },
      { send: 'GET /a/1', status: 405, answer: { allow: 'OPTIONS, PURGE, QUERY' } },
    ],
  },
  'HEAD is answered from GET, with its headers and no body': {
    rules: { Get: { get: '/a/{id}' }, Head: { custom: { kind: 'HEAD', path: '/b' } } },
    steps: [
      {
        send: 'HEAD /a/1',
        status: 200,
        to: 'Get',
        text: '',
        answer: { 'content-type': 'application/json' },
      },
      { send: 'HEAD /b', status: 200, to: 'Head', text: '' },
      { send: 'HEAD /a', status: 404, text: '' },
    ],
  },
  'OPTIONS tells what is allowed, without a body, unless it is bound': {
    rules: {
      Get: { get: '/a/{id}' },
      Del: { delete: '/a/{id}' },
      Options: { custom: { kind: 'OPTIONS', path: '/b' } },
    },
    steps: [
      {
        send: 'OPTIONS /a/1',
        status: 204,
        text: '',
        answer: { allow: 'DELETE, GET, HEAD, OPTIONS' },
      },
      { send: 'OPTIONS /b', status: 200, to: 'Options' },
      { send: 'OPTIONS /c', status: 404, json: { code: 404, reason: 'ROUTE_NOT_FOUND' } },
    ],
  },
  'no route is 404 with the one body': {
    rules: { A: { get: '/a/{id}' }, B: { get: '/{id}/b' } },
    steps: [
      { send: 'GET /nope', status: 404, json: { code: 404, reason: 'ROUTE_NOT_FOUND' } },
      { send: 'GET /a/b/c', status: 404, json: { code: 404, reason: 'ROUTE_NOT_FOUND' } },
    ],
  },
  'body *: all fields that are not in the path, and none in the query': {
    rules: { A: { post: '/a/{id}', body: '*' } },
    steps: [
      {
        send: 'POST /a/1',
        headers: json,
        body: '{"parent":"p","part":{"name":"n"}}',
        status: 200,
        got: { id: '1', parent: 'p', part: { name: 'n' } },
      },
      {
        send: 'POST /a/1?parent=p',
        headers: json,
        body: '{}',
        status: 400,
        ...violation('parent'),
      },
      { send: 'POST /a/1', status: 200, got: { id: '1' } },
    ],
  },
  'body field: a message, a list or a scalar, the rest in path and query': {
    rules: {
      Message: { put: '/m/{id}', body: 'part' },
      List: { put: '/l/{id}', body: 'tags' },
      Scalar: { put: '/s/{id}', body: 'count' },
    },
    steps: [
      {
        send: 'PUT /m/1?parent=p&tags=a',
        headers: json,
        body: '{"name":"n"}',
        status: 200,
        got: { id: '1', parent: 'p', tags: ['a'], part: { name: 'n' } },
      },
      {
        send: 'PUT /l/1',
        headers: json,
        body: '["a","b"]',
        status: 200,
        got: { id: '1', tags: ['a', 'b'] },
      },
      {
        send: 'PUT /s/1',
        headers: json,
        body: '9223372036854775807',
        status: 200,
        got: { id: '1', count: '9223372036854775807' },
      },
      { send: 'PUT /m/1?part.name=n', status: 400, ...violation('part.name') },
    ],
  },
  'no body: one that is there is refused, and not read where it means nothing': {
    rules: { Post: { post: '/a/{id}' }, Get: { get: '/a/{id}' }, Del: { delete: '/a/{id}' } },
    steps: [
      { send: 'POST /a/1?parent=p', status: 200, got: { id: '1', parent: 'p' } },
      { send: 'POST /a/1', headers: json, body: '{"parent":"p"}', status: 400 },
      { send: 'GET /a/1', headers: json, body: '{"parent":"p"}', status: 200, got: { id: '1' } },
      { send: 'DELETE /a/1', headers: json, body: '{"parent":"p"}', status: 200, got: { id: '1' } },
      { send: 'DELETE /a/1', headers: json, body: '', status: 200, got: { id: '1' } },
    ],
  },
  'an empty body is the empty message, and nothing may follow a body': {
    rules: { A: { post: '/a', body: '*' }, B: { post: '/b', body: 'part' } },
    steps: [
      { send: 'POST /a', headers: json, body: '', status: 200, got: {} },
      { send: 'POST /b', headers: json, body: '', status: 200, got: {} },
      { send: 'POST /b', headers: json, body: '{}', status: 200, got: { part: {} } },
      ...['{}.', '{} {}', '{', '[]', '"x"', 'nope', '{"id":"\xff"}'].map((body) => ({
        send: 'POST /a',
        headers: json,
        body,
        status: body.includes('\xff') ? 200 : 400,
        ...(!body.includes('\xff') && { json: { code: 400, reason: 'MALFORMED_BODY' } }),
      })),
    ],
  },
  'additional bindings lead to the same method, each with its own body': {
    rules: {
      A: {
        post: '/a',
        body: '*',
        additionalBindings: [{ get: '/a/{id}' }, { put: '/a/{id}', body: 'part' }],
      },
    },
    steps: [
      { send: 'POST /a', headers: json, body: '{"id":"1"}', status: 200, got: { id: '1' } },
      { send: 'GET /a/2?parent=p', status: 200, got: { id: '2', parent: 'p' } },
      {
        send: 'PUT /a/3',
        headers: json,
        body: '{"name":"n"}',
        status: 200,
        got: { id: '3', part: { name: 'n' } },
      },
    ],
  },
  'query names: proto and JSON spelling are one field': {
    rules: { A: { get: '/a' } },
    steps: [
      { send: 'GET /a?updateMask=id', status: 200, got: { updateMask: 'id' } },
      { send: 'GET /a?update_mask=id', status: 200, got: { updateMask: 'id' } },
      { send: 'GET /a?update_mask=id&updateMask=id', status: 400 },
      { send: 'GET /a?part.part.name=n', status: 200, got: { part: { part: { name: 'n' } } } },
    ],
  },
  'query scalars: as JSON has them, empty only where a text may be': {
    rules: { A: { get: '/a' } },
    steps: [
      { send: 'GET /a?flag=true&count=-5', status: 200, got: { flag: true, count: '-5' } },
      { send: 'GET /a?id=&nick=', status: 200, got: { nick: '' } },
      ...[
        'flag=1',
        'flag=TRUE',
        'flag=',
        'count=1.0',
        'count=',
        'count=+1',
        'count=01',
        'count=1e3',
      ].map((pair) => ({
        send: `GET /a?${pair}`,
        status: 400,
        ...violation(pair.slice(0, pair.indexOf('='))),
      })),
    ],
  },
  'query enums: by name, or by number, known or not': {
    rules: { A: { get: '/a' } },
    steps: [
      { send: 'GET /a?shade=DARK', status: 200, got: { shade: 'DARK' } },
      { send: 'GET /a?shade=2', status: 200, got: { shade: 'LIGHT' } },
      { send: 'GET /a?shade=77', status: 200, got: { shade: 77 } },
      { send: 'GET /a?shade=dark', status: 400, ...violation('shade') },
      { send: 'GET /a?shade=2147483648', status: 400, ...violation('shade') },
    ],
  },
  'a query may fill a list, and nothing else twice': {
    rules: { A: { get: '/a' } },
    options: { maxRepeated: 3 },
    steps: [
      { send: 'GET /a?tags=a&tags=b&tags=a', status: 200, got: { tags: ['a', 'b', 'a'] } },
      { send: 'GET /a?tags=a&tags=b&tags=c&tags=d', status: 400, ...violation('tags') },
      { send: 'GET /a?id=a&id=a', status: 400, ...violation('id') },
      { send: 'GET /a?left=a&right=b', status: 400, ...violation('right') },
      { send: 'GET /a?left=a&left=b', status: 400, ...violation('left') },
    ],
  },
  'an unknown parameter is refused with a suggestion': {
    rules: { A: { get: '/a' } },
    steps: [
      {
        send: 'GET /a?parrent=x',
        status: 400,
        json: { metadata: { parrent: /did you mean parent\?/ } },
      },
      { send: 'GET /a?__proto__=x', status: 400, ...violation('__proto__') },
      { send: 'GET /a?constructor.name=x', status: 400, ...violation('constructor.name') },
      { send: 'GET /a?part=x', status: 400, ...violation('part') },
      { send: 'GET /a?=x', status: 400 },
      { send: `GET /a?${'x'.repeat(5000)}`, status: 400, ...violation(`${'x'.repeat(128)}…`) },
    ],
  },
  'an unknown parameter is ignored when that is asked for': {
    rules: { A: { get: '/a' } },
    options: { unknownParameters: 'ignore' },
    steps: [
      { send: 'GET /a?parrent=x&id=1', status: 200, got: { id: '1' } },
      { send: 'GET /a?count=x&parrent=x', status: 400, ...violation('count') },
    ],
  },
  'a field of the name of a system parameter is that field': {
    messages: { Item: 'string alt; string fields' },
    rules: { A: { get: '/a' } },
    steps: [
      { send: 'GET /a?alt=media', status: 200, got: { alt: 'media' } },
      { send: 'GET /a?alt=json&$alt=json', status: 200, got: { alt: 'json' } },
      { send: 'GET /a?$alt=media', status: 400, ...violation('$alt') },
    ],
  },
  'a query may repeat what the path says, and not contradict it': {
    rules: { A: { get: '/a/{id}' } },
    steps: [
      { send: 'GET /a/1?id=1', status: 200, got: { id: '1' } },
      { send: 'GET /a/1?id=2', status: 400, ...violation('id') },
    ],
  },
  'a body may repeat what the path says or leave it out, and not contradict it': {
    rules: {
      A: { put: '/a/{id}/{part.name}', body: '*' },
      B: { put: '/b/{part.name}', body: 'part' },
    },
    steps: [
      {
        send: 'PUT /a/1/n',
        headers: json,
        body: '{"id":"1","part":{"name":"n"}}',
        status: 200,
        got: { id: '1', part: { name: 'n' } },
      },
      { send: 'PUT /a/1/n', headers: json, body: '{"id":""}', status: 200 },
      { send: 'PUT /a/1/n', headers: json, body: '{"id":"2"}', status: 400, ...violation('id') },
      {
        send: 'PUT /b/n',
        headers: json,
        body: '{"name":"m"}',
        status: 400,
        ...violation('part.name'),
      },
    ],
  },
  'the mask of a PATCH is what its body names, unless it has one': {
    rules: { A: { patch: '/a/{id}', body: 'part' } },
    steps: [
      {
        send: 'PATCH /a/1',
        headers: json,
        body: '{"name":"n","part":{"name":""}}',
        status: 200,
        got: { id: '1', part: { name: 'n', part: {} }, updateMask: 'name,part.name' },
      },
      {
        send: 'PATCH /a/1?updateMask=*',
        headers: json,
        body: '{"name":"n"}',
        status: 200,
        got: { id: '1', part: { name: 'n' }, updateMask: '*' },
      },
    ],
  },
  'content types: JSON in UTF-8 by any of its names, else 415 with Accept-Post': {
    rules: { A: { post: '/a', body: '*' } },
    steps: [
      ...[
        'application/json',
        'APPLICATION/JSON; charset="utf-8"',
        'application/protojson',
        'application/merge-patch+json',
      ].map((type) => ({
        send: 'POST /a',
        headers: { 'Content-Type': type },
        body: '{"id":"1"}',
        status: 200,
        got: { id: '1' },
      })),
      ...['text/plain', 'application/json; charset=latin1', 'application/jsonp', 'nonsense'].map(
        (type) => ({
          send: 'POST /a',
          headers: { 'Content-Type': type },
          body: '{"id":"1"}',
          status: 415,
          json: { code: 415, reason: 'UNSUPPORTED_MEDIA_TYPE' },
          answer: {
            'accept-post':
              'application/json, application/protojson, application/x-www-form-urlencoded',
          },
        }),
      ),
      { send: 'POST /a', body: '{"id":"1"}', status: 415 },
      { send: 'POST /a', headers: { 'Content-Type': 'text/plain' }, status: 200, got: {} },
    ],
  },
  'header fields reach the method but for those of the connection': {
    rules: { A: { get: '/a' } },
    handler: (_message, { requestHeader }) => ({
      id: [...requestHeader.keys()].filter((name) => name !== 'host').join(),
      parent: requestHeader.get('x-md-global-tenant') ?? '',
    }),
    steps: [
      {
        send: 'GET /a',
        headers: { 'X-Md-Global-Tenant': 'blue', TE: 'trailers', 'X-Two': 'a, b' },
        status: 200,
        json: { id: 'x-md-global-tenant,x-two', parent: 'blue' },
      },
    ],
  },
  'a method may set headers and the status; its trailers go before the body': {
    rules: { A: { post: '/a' } },
    handler(_message, { responseHeader, responseTrailer, values }) {
      responseHeader.set('Location', '/a/1')
      responseHeader.set('Content-Length', '3')
      responseTrailer.set('X-Cost', '7')
      values.set(httpStatusKey, 201)
      return { id: '1' }
    },
    steps: [
      {
        send: 'POST /a',
        status: 201,
        answer: { location: '/a/1', 'trailer-x-cost': '7', 'x-cost': null },
        json: { id: '1' },
      },
    ],
  },
  'an error says when to try again and how to authenticate': {
    rules: { A: { get: '/a' }, B: { get: '/b' } },
    handler(_message, { method }) {
      if (method.name === 'B')
        throw new ConnectError('who?', Code.Unauthenticated, {
          'WWW-Authenticate': 'Bearer realm="x"',
        })
      const retryDelay = create(DurationSchema, { seconds: 2n, nanos: 1 })
      const details = [{ desc: RetryInfoSchema, value: { retryDelay } }]
      throw new ConnectError('later', Code.Unavailable, undefined, details)
    },
    steps: [
      {
        send: 'GET /a',
        status: 503,
        answer: { 'retry-after': '3' },
        json: { code: 503, message: 'later' },
      },
      { send: 'GET /b', status: 401, answer: { 'www-authenticate': 'Bearer realm="x"' } },
    ],
  },
  'timeouts: the least of three spellings holds, and a bad one is refused': {
    rules: { A: { get: '/a' } },
    handler: (_message, { timeoutMs }) => ({ count: BigInt(Math.ceil((timeoutMs() ?? 0) / 1000)) }),
    steps: [
      { send: 'GET /a', status: 200, json: { count: '0' } },
      {
        send: 'GET /a',
        headers: { 'Connect-Timeout-Ms': '5000' },
        status: 200,
        json: { count: '5' },
      },
      { send: 'GET /a', headers: { 'Grpc-Timeout': '1M' }, status: 200, json: { count: '60' } },
      { send: 'GET /a', headers: { 'X-Server-Timeout': '7.5' }, status: 200, json: { count: '8' } },
      {
        send: 'GET /a',
        headers: { 'Connect-Timeout-Ms': '5000', 'Grpc-Timeout': '3S', 'X-Server-Timeout': '7' },
        status: 200,
        json: { count: '3' },
      },
      ...[
        ['Connect-Timeout-Ms', '-1'],
        ['Grpc-Timeout', '10'],
        ['X-Server-Timeout', 'NaN'],
      ].map(([name = '', value = '']) => ({
        send: 'GET /a',
        headers: { [name]: value },
        status: 400,
        ...violation(name.toLowerCase()),
      })),
    ],
  },
}

function schemaOf({ messages = item, enums = shades, rules }: Row): Schema {
  const methods = Object.entries(rules).map(
    ([name, rule]): [string, [string, string, JsonObject]] => [name, ['Item', 'Item', rule]],
  )
  return { messages, enums, methods: Object.fromEntries(methods) }
}

async function serveRow(t: Test, row: Row) {
  const { service } = compileSchema(schemaOf(row))
  const calls: { to: string; got: unknown }[] = []
  const handlers = service.methods.map(({ name, localName, input }) => [
    localName,
    (message: Message, context: HandlerContext) => {
      calls.push({ to: name, got: toJson(input, message) })
      return row.handler?.(message, context) ?? {}
    },
  ])
  const { ask } = await serveRest(t, {
    routes: (router) => router.service(service, Object.fromEntries(handlers) as never),
    ...row.options,
  })
  return { ask, calls }
}

function check(
  t: Test,
  step: Step,
  answer: RawAnswer,
  call: { to: string; got: unknown } | undefined,
) {
  const what = `${step.send} ${step.body ?? ''} → ${answer.status} ${answer.body}`
  t.equal(answer.status, step.status, what)
  if (step.status >= 400 && step.text === undefined)
    t.match(JSON.parse(answer.body), {
      code: step.status,
      reason: String,
      message: String,
      metadata: Object,
    })
  if (step.to !== undefined) t.equal(call?.to, step.to, what)
  if (step.got !== undefined) t.strictSame(call?.got, step.got, what)
  if (step.json !== undefined) t.match(JSON.parse(answer.body), step.json, what)
  if (step.text !== undefined) t.equal(answer.body, step.text, what)
  for (const [name, value] of Object.entries(step.answer ?? {}))
    t.equal(answer.headers.get(name), value, `${name} of ${what}`)
}

for (const protocol of protocols)
  for (const [topic, row] of Object.entries(rows))
    test(`${topic} (${protocol})`, async (t) => {
      const { ask, calls } = await serveRow(t, row)
      for (const step of row.steps) {
        const [method = '', target = ''] = step.send.split(' ')
        const { headers, body } = step
        const answer = await ask[protocol]({
          method,
          target,
          ...(headers && { headers }),
          ...(body !== undefined && { body }),
        })
        check(t, step, answer, calls.pop())
      }
    })

for (const protocol of protocols)
  test(`a call whose time is over is 504, whether the method heeds it or not (${protocol})`, async (t) => {
    const { ask } = await serveRow(t, {
      rules: { A: { get: '/a' } },
      handler: () => new Promise(() => undefined),
      steps: [],
    })
    for (const headers of [
      { 'Connect-Timeout-Ms': '20' },
      { 'Connect-Timeout-Ms': '0' },
      { 'Grpc-Timeout': '20m' },
      { 'X-Server-Timeout': '0.02' },
    ]) {
      const { status, body } = await ask[protocol]({ target: '/a', headers })
      t.equal(status, 504, JSON.stringify(headers))
      t.match(JSON.parse(body), { code: 504, reason: 'DEADLINE_EXCEEDED' })
    }
  })

for (const protocol of protocols)
  test(`HEAD has the headers of GET, its length too (${protocol})`, async (t) => {
    const { ask } = await serveRow(t, { rules: { A: { get: '/a/{id}' } }, steps: [] })
    const get = await ask[protocol]({ target: '/a/1' })
    const head = await ask[protocol]({ method: 'HEAD', target: '/a/1' })
    const fields = ({ headers }: RawAnswer) => [...headers].filter(([name]) => name !== 'date')
    t.equal(get.headers.get('content-length'), String(get.body.length))
    t.strictSame(fields(head), fields(get))
    t.equal(head.body, '')
  })

test('every method that node knows is 405 with a sorted Allow where a path has others', async (t) => {
  const { ask } = await serveRow(t, {
    rules: {
      Get: { get: '/a/{id}', additionalBindings: [{ put: '/b' }, { delete: '/b' }] },
      Post: { post: '/a/{id}:go', additionalBindings: [{ patch: '/c/{id=**}' }] },
    },
    steps: [],
  })
  const paths = {
    '/a/1': ['GET', 'HEAD', 'OPTIONS'],
    '/b': ['DELETE', 'OPTIONS', 'PUT'],
    '/a/1:go': ['GET', 'HEAD', 'OPTIONS', 'POST'],
    '/c/1/2': ['OPTIONS', 'PATCH'],
  }
  for (const [target, allowed] of Object.entries(paths))
    // CONNECT has no path, and is a tunnel in HTTP/2.
    for (const method of METHODS.filter((each) => each !== 'CONNECT'))
      for (const protocol of protocols) {
        const { status, headers, body } = await ask[protocol]({ method, target })
        const fits = allowed.includes(method)
        t.equal(
          status,
          method === 'OPTIONS' ? 204 : fits ? 200 : 405,
          `${method} ${target} ${protocol}`,
        )
        if (!fits && method !== 'HEAD')
          t.match(JSON.parse(body), { code: 405, reason: 'METHOD_NOT_ALLOWED' })
        if (!fits || method === 'OPTIONS') t.equal(headers.get('allow'), allowed.join(', '))
      }
})
