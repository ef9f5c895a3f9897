import type { JsonValue } from '@bufbuild/protobuf'

/** What an answer says beside its body, and must be told to a page. */
export const readable = ['accept-encoding', 'accept-post', 'allow', 'retry-after'] as const

export interface RestAnswer {
  status: number
  body: JsonValue
  /** Those of `readable` that the page could read. */
  headers: Record<string, string>
}

export interface RestRow {
  method: string
  path: string
  body?: JsonValue
  headers?: Record<string, string>
  /** A part of the answer. */
  want: { status: number; body: object; headers?: Record<string, string> }
}

const ada = { name: 'Ada', email: 'ada@example.org', phone: '123' }
const bob = { name: 'Bob', email: 'bob@example.org' }
const refusal = (status: number, reason: string, headers: Record<string, string> = {}) => ({
  status,
  body: { code: status, reason, message: String },
  headers,
})

/** What a page does on the REST port of an empty service, in this order. */
export const restRows = {
  create: {
    method: 'POST',
    path: '/v1/users',
    body: ada,
    want: { status: 200, body: { id: '1', name: 'Ada', email: 'ada@example.org' } },
  },
  'another create': {
    method: 'POST',
    path: '/v1/users',
    body: bob,
    want: { status: 200, body: { id: '2', name: 'Bob' } },
  },
  'a create of what is taken': {
    method: 'POST',
    path: '/v1/users',
    body: bob,
    want: refusal(409, 'USER_ALREADY_EXISTS'),
  },
  'a create that breaks rules': {
    method: 'POST',
    path: '/v1/users',
    body: { name: '' },
    want: refusal(400, 'INVALID_USER_INPUT'),
  },
  list: {
    method: 'GET',
    path: '/v1/users?page_size=1',
    want: { status: 200, body: { users: [{ id: '1' }], total: 2 } },
  },
  get: { method: 'GET', path: '/v1/users/1', want: { status: 200, body: { ...ada, id: '1' } } },
  'get with a deadline': {
    method: 'GET',
    path: '/v1/users/1',
    headers: { 'X-Server-Timeout': '10' },
    want: { status: 200, body: ada },
  },
  patch: {
    method: 'PATCH',
    path: '/v1/users/1?update_mask=phone',
    body: {},
    want: { status: 200, body: { ...ada, phone: '' } },
  },
  delete: { method: 'DELETE', path: '/v1/users/1', want: { status: 200, body: {} } },
  'get of nobody': { method: 'GET', path: '/v1/users/1', want: refusal(404, 'USER_NOT_FOUND') },
  'a path that nobody serves': {
    method: 'POST',
    path: '/nowhere',
    body: {},
    want: refusal(404, 'ROUTE_NOT_FOUND'),
  },
  'a method that is not served': {
    method: 'PUT',
    path: '/v1/users/2',
    body: bob,
    want: refusal(405, 'METHOD_NOT_ALLOWED', { allow: 'DELETE, GET, HEAD, OPTIONS, PATCH' }),
  },
  'a type that is not read': {
    method: 'POST',
    path: '/v1/users',
    body: bob,
    headers: { 'Content-Type': 'text/csv' },
    want: refusal(415, 'UNSUPPORTED_MEDIA_TYPE', {
      'accept-post': 'application/json, application/protojson',
    }),
  },
  'a compression that is not read': {
    method: 'POST',
    path: '/v1/users',
    body: bob,
    headers: { 'Content-Encoding': 'zippy' },
    want: refusal(415, 'UNSUPPORTED_MEDIA_TYPE', { 'accept-encoding': 'zstd, br, gzip' }),
  },
  'a path that cannot be decoded': {
    method: 'GET',
    path: '/v1/users/%ZZ',
    want: refusal(400, 'MALFORMED_URL'),
  },
} satisfies Record<string, RestRow>
