import { Code, ConnectError } from '@connectrpc/connect'
import { json, type Row, type Step, testRows, violation } from '../row.ts'

const messages = {
  Item: 'string id; string etag; Part part; google.protobuf.FieldMask update_mask',
  Part: 'string name; string etag',
}
const rules = {
  Put: { put: '/a/{id}', body: 'part' },
  Remove: { delete: '/a/{id}' },
  Make: { post: '/a', body: '*' },
}

function put(headers: Record<string, string>, query = ''): Omit<Step, 'status'> {
  return { send: `PUT /a/1${query}`, headers: { ...json, ...headers }, body: '{"name":"n"}' }
}

const failed = { code: 412, reason: 'PRECONDITION_FAILED' }
const part = { name: 'n' }
const patch = (headers: Record<string, string>) => ({
  send: 'PATCH /a/1',
  headers: { ...json, ...headers },
  body: '{"name":"n"}',
})

/** What a service with the field `etag` (AIP-154) throws when the resource has another one. */
function changed(): never {
  throw new ConnectError('it has changed', Code.Aborted)
}

const rows: Record<string, Row> = {
  'If-Match fills the etag of the request, as a list without the marks of representations': {
    messages,
    rules,
    steps: [
      { ...put({ 'If-Match': '"7"' }), status: 200, got: { id: '1', part, etag: '"7"' } },
      {
        ...put({ 'If-Match': '"7;gzip",, W/"8" ,"9;protojson;br"' }),
        status: 200,
        got: { id: '1', part, etag: '"7", W/"8", "9"' },
      },
      { ...put({ 'If-Match': '*' }), status: 200, got: { id: '1', part } },
      { ...put({}), status: 200, got: { id: '1', part } },
      {
        send: 'DELETE /a/1',
        headers: { 'If-Match': '"7"' },
        status: 200,
        got: { id: '1', etag: '"7"' },
      },
      {
        ...put({ 'If-Match': '"7"' }, '?etag=%227%22'),
        status: 200,
        got: { id: '1', part, etag: '"7"' },
      },
      { ...put({ 'If-Match': '"7"' }, '?etag=x'), status: 400, ...violation('if-match') },
    ],
  },
  'If-Match fills the etag of the resource where the request has none': {
    messages: { ...messages, Item: 'string id; Part part' },
    rules: { Patch: { patch: '/a/{id}', body: 'part' } },
    steps: [
      {
        ...patch({ 'If-Match': '"7"' }),
        status: 200,
        got: { id: '1', part: { name: 'n', etag: '"7"' } },
      },
    ],
  },
  'If-None-Match * is handed over as a tag that nothing has, tags of a write are refused': {
    messages,
    rules,
    steps: [
      { ...put({ 'If-None-Match': '*' }), status: 200, got: { id: '1', part, etag: 'W/"*"' } },
      {
        ...put({ 'If-None-Match': '*', 'If-Match': '"7"' }),
        status: 200,
        got: { id: '1', part, etag: 'W/"*"' },
      },
      { ...put({ 'If-None-Match': '"7"' }), status: 400, ...violation('if-none-match') },
    ],
  },
  'conditions that are no list of tags are refused': {
    messages,
    rules,
    steps: ['7', '"7', '"7" "8"', '"7";"8"', ',', '*, "7"', 'w/"7"', '"a b"'].flatMap((list) => [
      { ...put({ 'If-Match': list }), status: 400, ...violation('if-match') },
      { ...put({ 'If-None-Match': list }), status: 400, ...violation('if-none-match') },
    ]),
  },
  'a method that says ABORTED to a condition is answered with 412, and with 409 else': {
    messages,
    rules,
    handler: changed,
    steps: [
      { ...put({ 'If-Match': '"7"' }), status: 412, json: { message: 'it has changed' } },
      { ...put({ 'If-None-Match': '*' }), status: 412 },
      { ...put({}, '?etag=%227%22'), status: 409 },
    ],
  },
  'a method that compares no tags is not called with a condition': {
    messages: { Item: 'string id; Part part', Part: 'string name' },
    rules,
    handler() {
      throw new Error('it was called')
    },
    steps: ['If-Match', 'If-None-Match'].flatMap((name) =>
      ['*', '"7"'].flatMap((value) => [
        { ...put({ [name]: value }), status: 412, json: failed },
        { send: 'DELETE /a/1', headers: { [name]: value }, status: 412, json: failed },
        {
          send: 'POST /a',
          headers: { ...json, [name]: value },
          body: '{}',
          status: 412,
          json: failed,
        },
      ]),
    ),
  },
  'dates are no conditions of a write': {
    messages,
    rules,
    steps: [
      {
        ...put({ 'If-Unmodified-Since': 'Thu, 01 Jan 1970 00:00:00 GMT' }),
        status: 200,
        got: { id: '1', part },
      },
    ],
  },
  'the answer to a PATCH tells the validator of what it left': {
    messages,
    rules: { Patch: { patch: '/a/{id}', body: 'part' } },
    handler: () => ({ etag: '"8"' }),
    steps: [{ ...patch({}), status: 200, answer: { etag: '"8"' } }],
  },
}

testRows(rows)
