import { json, type Row, type Step, testRows } from '../row.ts'

const messages = {
  Item: 'string id; Thing thing; google.protobuf.FieldMask update_mask',
  Thing: `optional string name; optional string phone; Part part; repeated string tags;
    map<string, string> labels; google.protobuf.Struct free; google.protobuf.Timestamp at`,
  Part: 'optional string a; optional string b; Part part',
}
const told = {
  Item: 'string id; Thing thing; google.protobuf.FieldMask update_mask',
  Thing: 'optional string name; optional string phone',
}
const rules = { Patch: { patch: '/a/{id}', body: 'thing' } }
const mergePatch = { 'Content-Type': 'application/merge-patch+json' }
const common = 'application/json, application/protojson, application/x-www-form-urlencoded'
const patchTypes = `application/merge-patch+json, ${common}`

function patch(body: string, headers: Record<string, string> = mergePatch, query = '') {
  return { send: `PATCH /a/1${query}`, headers, body }
}

function unsupported(send: string, type: string, answer: Record<string, string | null>): Step {
  return {
    send,
    headers: { 'Content-Type': type },
    body: '{}',
    status: 415,
    json: { code: 415, reason: 'UNSUPPORTED_MEDIA_TYPE' },
    answer,
  }
}

const rows: Record<string, Row> = {
  'a merge patch gives a mask of what it names, null and all': {
    messages: told,
    rules,
    steps: [
      {
        ...patch('{"name":"M","phone":null}'),
        status: 200,
        got: { id: '1', thing: { name: 'M' }, updateMask: 'name,phone' },
      },
      {
        ...patch('{"name":"M"}', { 'Content-Type': 'Application/Merge-Patch+JSON; charset=utf-8' }),
        status: 200,
        got: { id: '1', thing: { name: 'M' }, updateMask: 'name' },
      },
      { ...patch('{}'), status: 200, got: { id: '1', thing: {} } },
      {
        ...patch('{"name":"M","phone":null}', mergePatch, '?update_mask=name'),
        status: 200,
        got: { id: '1', thing: { name: 'M' }, updateMask: 'name' },
      },
      {
        ...patch('{"name":"M","phone":null}', json),
        status: 200,
        got: { id: '1', thing: { name: 'M' } },
      },
      ...['[]', '"x"', '1', '{"name":1}', '{'].map((body) => ({
        ...patch(body),
        status: 400,
        json: { reason: 'MALFORMED_BODY' },
      })),
    ],
  },
  'a merge patch goes into messages, replaces lists, and changes nothing by an empty object': {
    messages,
    rules,
    steps: [
      {
        ...patch('{"part":{"a":null,"part":{"b":"x"}},"tags":["t"],"at":null}'),
        status: 200,
        got: {
          id: '1',
          thing: { part: { part: { b: 'x' } }, tags: ['t'] },
          updateMask: 'tags,at,part.a,part.part.b',
        },
      },
      {
        ...patch('{"part":{},"labels":null}'),
        status: 200,
        got: { id: '1', thing: { part: {} }, updateMask: 'labels' },
      },
      ...['labels', 'free'].map((name) => ({
        ...patch(`{"${name}":{"k":"v"}}`),
        status: 400,
        json: { reason: 'MALFORMED_BODY', metadata: { [name]: /one by one/ } },
      })),
    ],
  },
  'types that no PATCH reads are 415 with Accept-Patch, and those of other methods with Accept-Post':
    {
      messages: { ...told, Item: `${told.Item}; Thing other` },
      rules: { ...rules, Make: { post: '/a', body: '*' }, Whole: { patch: '/b', body: '*' } },
      steps: [
        ...['application/json-patch+json', 'application/vnd.api+json', 'text/plain', ';;'].map(
          (type) =>
            unsupported('PATCH /a/1', type, { 'accept-patch': patchTypes, 'accept-post': null }),
        ),
        unsupported('PATCH /b', 'application/merge-patch+json', { 'accept-patch': common }),
        unsupported('POST /a', 'application/json-patch+json', {
          'accept-post': common,
          'accept-patch': null,
        }),
      ],
    },
  'OPTIONS tells what a PATCH reads': {
    messages: told,
    rules: { ...rules, Make: { post: '/a', body: '*' } },
    steps: [
      {
        send: 'OPTIONS /a/1',
        status: 204,
        answer: { allow: 'OPTIONS, PATCH', 'accept-patch': patchTypes },
      },
      { send: 'OPTIONS /a', status: 204, answer: { allow: 'OPTIONS, POST', 'accept-patch': null } },
    ],
  },
}

testRows(rows)
