import { METHODS } from 'node:http'
import { test } from 'tap'
import { protocols } from '../listen.ts'
import { json, type Row, serveRow, testRows } from '../row.ts'

/** Rows of the table in docs/rest.md about which method a request leads to. */
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
}

testRows(rows)

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
