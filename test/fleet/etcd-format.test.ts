import { test } from 'tap'
import { entriesOf, goZeroInstance, kratosInstance } from '../../src/fleet/etcd/format.ts'

const instance = {
  id: 'ts-26900',
  name: 'user.service',
  version: 'v1.0.0',
  metadata: { weight: '100' },
  endpoints: ['grpc://127.0.0.1:26900', 'http://127.0.0.1:26800'],
}
const names = {
  namespace: '/microservices',
  goZeroKey: 'user.rpc',
  kitexName: 'user-service',
}

test('an instance is written as Kratos, go-zero and Kitex write it, byte by byte', async (t) => {
  const written = entriesOf(instance, names).map(({ key, value }) => `${key(7587891n)} → ${value}`)
  t.strictSame(written, [
    '/microservices/user.service/ts-26900 → {"id":"ts-26900","name":"user.service","version":"v1.0.0","metadata":{"weight":"100"},"endpoints":["grpc://127.0.0.1:26900","http://127.0.0.1:26800"]}',
    'user.rpc/7587891 → 127.0.0.1:26900',
    'kitex/registry-etcd/user-service/127.0.0.1:26900 → {"network":"tcp","address":"127.0.0.1:26900","weight":10,"tags":null}',
  ])
})

test('keys of metadata are written in order, as Go writes a map', async (t) => {
  const [kratos] = entriesOf({ ...instance, metadata: { zone: 'b', az: 'a' } }, names)
  t.match(kratos?.value, '"metadata":{"az":"a","zone":"b"}')
})

test('addresses of IPv6 and of TLS ports are written with brackets and without the scheme', async (t) => {
  const endpoints = ['grpcs://[fd00::1]:9000', 'https://[fd00::1]:8000']
  const written = entriesOf({ ...instance, endpoints }, names).map(({ value }) => value)
  t.match(written[0], '"endpoints":["grpcs://[fd00::1]:9000","https://[fd00::1]:8000"]')
  t.equal(written[1], '[fd00::1]:9000')
  t.match(written[2], '"address":"[fd00::1]:9000"')
})

test('an instance is in no format whose name is empty', async (t) => {
  const only = { namespace: '/microservices', goZeroKey: 'user.rpc', kitexName: '' }
  const written = entriesOf({ ...instance, name: '' }, only)
  t.strictSame(
    written.map(({ format }) => format),
    ['go-zero'],
  )
})

/** Values in Kratos' format, and the endpoints that are read; a pattern where it is refused. */
const values: [title: string, value: string, read: readonly string[] | undefined | RegExp][] = [
  [
    'an instance of Kratos',
    '{"id":"a","name":"user.service","version":"v1","metadata":{"weight":"100"},"endpoints":["http://10.0.0.1:8000","grpc://10.0.0.1:9000"]}',
    ['http://10.0.0.1:8000', 'grpc://10.0.0.1:9000'],
  ],
  [
    'nil of Go for metadata',
    '{"id":"a","name":"user.service","version":"","metadata":null,"endpoints":["grpcs://[fd00::1]:9000"]}',
    ['grpcs://[fd00::1]:9000'],
  ],
  [
    'nil of Go for endpoints',
    '{"id":"a","name":"user.service","version":"","metadata":null,"endpoints":null}',
    undefined,
  ],
  [
    'no endpoint',
    '{"id":"a","name":"user.service","version":"","metadata":{},"endpoints":[]}',
    undefined,
  ],
  ['another name', '{"id":"a","name":"user.service2","endpoints":["grpc://h:1"]}', undefined],
  ['no id', '{"name":"user.service","endpoints":["grpc://h:1"]}', /its id is no text/],
  ['a list', '["user.service"]', /it is no object/],
  ['no JSON', '127.0.0.1:9000', /JSON/],
]

for (const [title, value, read] of values)
  test(`the value of an instance may be ${title}`, async (t) => {
    if (read instanceof RegExp) t.throws(() => kratosInstance(value, 'user.service'), read)
    else t.strictSame(kratosInstance(value, 'user.service')?.endpoints, read)
  })

test("go-zero's addresses are endpoints of gRPC, and the ids of their instances", async (t) => {
  const read = ['10.0.0.1:9000', '[fd00::1]:9000', 'users.example.org:9000'].map((value) =>
    goZeroInstance(value, 'user.rpc'),
  )
  t.strictSame(
    read.map(({ id, endpoints }) => [id, endpoints[0]]),
    [
      ['10.0.0.1:9000', 'grpc://10.0.0.1:9000'],
      ['[fd00::1]:9000', 'grpc://[fd00::1]:9000'],
      ['users.example.org:9000', 'grpc://users.example.org:9000'],
    ],
  )
  for (const wrong of ['', '10.0.0.1', 'a b:1', '{"id":"a"}'])
    t.throws(() => goZeroInstance(wrong, 'user.rpc'), /no host:port/)
})
