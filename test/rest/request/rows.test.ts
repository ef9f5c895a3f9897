import { test } from 'tap'
import { protocols } from '../listen.ts'
import { json, type Row, serveRow, testRows, violation } from '../row.ts'

/** Rows of the table in docs/rest.md about the message that a request makes. */
const rows: Record<string, Row> = {
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
  'content types: JSON in UTF-8, else 415 with Accept-Post': {
    rules: { A: { post: '/a', body: '*' } },
    steps: [
      ...['application/json', 'APPLICATION/JSON; charset="utf-8"', 'application/protojson'].map(
        (type) => ({
          send: 'POST /a',
          headers: { 'Content-Type': type },
          body: '{"id":"1"}',
          status: 200,
          got: { id: '1' },
        }),
      ),
      ...[
        'text/plain',
        'application/json; charset=latin1',
        'application/jsonp',
        'application/merge-patch+json',
        'application/vnd.api+json',
        'nonsense',
      ].map((type) => ({
        send: 'POST /a',
        headers: { 'Content-Type': type },
        body: '{"id":"1"}',
        status: 415,
        json: { code: 415, reason: 'UNSUPPORTED_MEDIA_TYPE' },
        answer: {
          'accept-post':
            'application/json, application/protojson, application/x-www-form-urlencoded',
        },
      })),
      { send: 'POST /a', body: '{"id":"1"}', status: 415 },
      { send: 'POST /a', headers: { 'Content-Type': 'text/plain' }, status: 200, got: {} },
    ],
  },
  'no body in the rule: an empty object is no body, anything in it is refused': {
    rules: { A: { post: '/a/{id}:go' } },
    steps: [
      ...['{}', ' {\r\n\t} '].map((body) => ({
        send: 'POST /a/1:go',
        headers: json,
        body,
        status: 200,
        got: { id: '1' },
      })),
      ...['{"id":"1"}', '[]', 'null', '{', '{}{}'].map((body) => ({
        send: 'POST /a/1:go',
        headers: json,
        body,
        status: 400,
        json: { reason: 'MALFORMED_BODY' },
      })),
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
}

testRows(rows)

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
