import {
  brotliDecompressSync,
  gunzipSync,
  gzipSync,
  brotliCompressSync,
  zstdCompressSync,
  zstdDecompressSync,
} from 'node:zlib'
import type { ServiceImpl } from '@connectrpc/connect'
import fastify from 'fastify'
import { test } from 'tap'
import { User } from '../../../src/gen/api/user/v1/user_pb.ts'
import type { RestPluginOptions } from '../../../src/rest/options.ts'
import { fastifyRestPlugin } from '../../../src/rest/plugin.ts'
import { restServerOptions } from '../../../src/rest/server-options.ts'
import { zstdFrame } from '../zstd-frame.ts'

type Users = Partial<ServiceImpl<typeof User>>

const long = 'Ada '.repeat(1000)
const ada = { id: 1n, name: long }
const path = '/v1/users/1'

function serve(users: Users = { getUser: () => ada }, options: Partial<RestPluginOptions> = {}) {
  const app = fastify(restServerOptions())
  void app.register(fastifyRestPlugin, {
    routes: (router) => router.service(User, users),
    ...options,
  })
  return app
}

const typeOf = async (accept: string, options?: Partial<RestPluginOptions>) => {
  const answer = await serve(undefined, options).inject({ url: path, headers: { accept } })
  return answer.statusCode === 200 ? answer.headers['content-type'] : answer.statusCode
}

test('the answer has the type that Accept likes best', async (t) => {
  const json = 'application/json'
  const protojson = 'application/protojson'
  const cases: Record<string, string | number> = {
    '*/*': json,
    [json]: json,
    [protojson]: protojson,
    'APPLICATION/PROTOJSON': protojson,
    'application/*': json,
    'application/json; charset=utf-8': json,
    'text/html, application/xhtml+xml, */*;q=0.8': json,
    'application/json;q=0.5, application/protojson': protojson,
    'application/json, application/protojson;q=0.5': json,
    'application/json, application/protojson': protojson,
    'application/protojson;q=0.1, */*': json,
    'application/json;q=0, */*': protojson,
    'application/json;q=0, application/*;q=0.1': protojson,
    'text/html': 406,
    'application/*;q=0': 406,
    '*/*;q=0': 406,
    'application/vnd.api+json': 406,
  }
  for (const [accept, expected] of Object.entries(cases))
    t.equal(await typeOf(accept), expected, accept)
})

test('what cannot be given is refused before the method is called', async (t) => {
  const app = serve({ createUser: () => t.fail('it was called') as never })
  for (const headers of [{ accept: 'text/html' }, { 'accept-encoding': 'identity;q=0' }]) {
    const answer = await app.inject({ method: 'POST', url: '/v1/users', payload: {}, headers })
    t.equal(answer.statusCode, 406)
    t.match(answer.json(), { code: 406, reason: 'NOT_ACCEPTABLE', metadata: {} })
  }
})

test('JSON is given all the same when $alt or the plugin says so', async (t) => {
  t.equal(await typeOf('text/html', { strictAccept: false }), 'application/json')
  const headers = { accept: 'text/html' }
  const answer = await serve().inject({ url: `${path}?$alt=json`, headers })
  t.equal(answer.headers['content-type'], 'application/json')
})

test('an error has the type that Accept likes best, and JSON where it likes none', async (t) => {
  for (const [accept, type] of [
    ['application/protojson', 'application/protojson'],
    ['text/html', 'application/json'],
  ] as const)
    for (const url of ['/v1/users/x', '/v1/users/1/x']) {
      const answer = await serve().inject({ url, headers: { accept } })
      t.equal(answer.headers['content-type'], type)
      t.match(answer.json(), { code: answer.statusCode, metadata: {} })
      t.match(answer.headers.vary, /accept/i)
    }
})

const decoders = {
  gzip: gunzipSync,
  br: brotliDecompressSync,
  zstd: zstdDecompressSync,
} as const

test('the answer has the coding that Accept-Encoding likes best', async (t) => {
  const cases: Record<string, keyof typeof decoders | 'identity' | 406> = {
    '': 'identity',
    gzip: 'gzip',
    'x-gzip': 'gzip',
    GZIP: 'gzip',
    br: 'br',
    zstd: 'zstd',
    'gzip, deflate, br': 'br',
    'gzip, deflate, br, zstd': 'zstd',
    'gzip;q=1.0, br;q=0.5': 'gzip',
    'br;q=0, gzip;q=0.1': 'gzip',
    deflate: 'identity',
    '*': 'zstd',
    '*;q=0.1, gzip': 'gzip',
    'zstd;q=0, *': 'br',
    identity: 'identity',
    'identity, gzip;q=0.5': 'identity',
    'identity;q=0.5, gzip;q=0.5': 'gzip',
    'identity;q=0, gzip;q=0.1': 'gzip',
    'identity;q=0': 406,
    '*;q=0': 406,
    'deflate, *;q=0': 406,
    'identity;q=0, deflate': 406,
  }
  for (const [header, expected] of Object.entries(cases)) {
    const answer = await serve().inject({ url: path, headers: { 'accept-encoding': header } })
    if (expected === 406) {
      t.equal(answer.statusCode, 406, header)
      continue
    }
    t.equal(answer.headers['content-encoding'] ?? 'identity', expected, header)
    const { rawPayload } = answer
    const text = expected === 'identity' ? rawPayload : decoders[expected](rawPayload)
    t.match(JSON.parse(text.toString()), { id: '1', name: long }, header)
    t.equal(Number(answer.headers['content-length']), rawPayload.byteLength, header)
    t.equal(answer.headers.vary, 'Accept, Accept-Encoding')
  }
})

test('a short answer is compressed only where it may not be sent as it is', async (t) => {
  const app = serve({ getUser: () => ({ id: 1n }) })
  const ask = async (header: string) => {
    const answer = await app.inject({ url: path, headers: { 'accept-encoding': header } })
    return answer.headers['content-encoding']
  }
  t.equal(await ask('gzip'), undefined)
  t.equal(await ask('gzip, identity;q=0'), 'gzip')
  const eager = serve({ getUser: () => ({ id: 1n }) }, { compressFrom: 0 })
  const answer = await eager.inject({ url: path, headers: { 'accept-encoding': 'br' } })
  t.equal(answer.headers['content-encoding'], 'br')
})

const json = { 'content-type': 'application/json' }

test('a compressed body is read', async (t) => {
  const app = serve({ createUser: ({ name }) => ({ name }) })
  const text = JSON.stringify({ name: long })
  for (const [coding, payload] of [
    ['gzip', gzipSync(text)],
    ['x-gzip', gzipSync(text)],
    ['br', brotliCompressSync(text)],
    ['zstd', zstdCompressSync(text)],
    ['zstd', zstdFrame(text, 23)],
    ['zstd', Buffer.concat([zstdCompressSync(''), zstdCompressSync(text)])],
    ['identity', Buffer.from(text)],
  ] as const) {
    const headers = { ...json, 'content-encoding': coding }
    const answer = await app.inject({ method: 'POST', url: '/v1/users', payload, headers })
    t.match(answer.json(), { name: long }, coding)
  }
})

test('a body that is too large when decompressed is refused, however small it was sent', async (t) => {
  const app = serve({ createUser: () => ({}) }, { bodyLimit: 10_000 })
  const bomb = ' '.repeat(1_000_000)
  for (const [coding, payload] of [
    ['gzip', gzipSync(bomb)],
    ['br', brotliCompressSync(bomb)],
    ['zstd', zstdCompressSync(bomb)],
  ] as const) {
    const headers = { ...json, 'content-encoding': coding }
    const answer = await app.inject({ method: 'POST', url: '/v1/users', payload, headers })
    t.match(answer.json(), { code: 413, reason: 'BODY_TOO_LARGE' }, coding)
  }
})

test('a body that is not in its coding is malformed, and one in an unknown coding 415', async (t) => {
  const app = serve({ createUser: () => ({}) })
  const send = (coding: string, payload: Buffer) =>
    app.inject({
      method: 'POST',
      url: '/v1/users',
      payload,
      headers: { ...json, 'content-encoding': coding },
    })
  const broken = await send('gzip', gzipSync('{"name":"Ada"}').subarray(0, 20))
  t.match(broken.json(), { code: 400, reason: 'MALFORMED_BODY' })
  const long = await send('zstd', zstdFrame('{"name":"Ada"}', 24))
  t.match(long.json(), { code: 400, reason: 'MALFORMED_BODY' }, 'a window above 8 MB')
  const longer = Buffer.concat([zstdCompressSync('{}'), zstdFrame('{"name":"Ada"}', 24)])
  const later = await send('zstd', longer)
  t.match(later.json(), { code: 400, reason: 'MALFORMED_BODY' }, 'the same in a later frame')
  for (const coding of ['deflate', 'gzip, br', 'zippy']) {
    const answer = await send(coding, Buffer.from('{}'))
    t.match(answer.json(), { code: 415, reason: 'UNSUPPORTED_MEDIA_TYPE' }, coding)
    t.equal(answer.headers['accept-encoding'], 'zstd, br, gzip')
  }
})

test('the types of bodies that are read, and those that are not', async (t) => {
  const app = serve({ createUser: () => ({}) })
  const cases: Record<string, number> = {
    'application/json': 200,
    'application/protojson': 200,
    'Application/JSON ; Charset="UTF-8"': 200,
    'application/json;charset=utf8': 200,
    'application/merge-patch+json': 415,
    'application/vnd.api+json': 415,
    'application/json;charset=latin1': 415,
    'application/json;charset=utf-16': 415,
    'application/+json': 415,
    'text/json': 415,
    'application/xml': 415,
    'application/jsonp': 415,
  }
  for (const [type, status] of Object.entries(cases)) {
    const headers = { 'content-type': type }
    const answer = await app.inject({ method: 'POST', url: '/v1/users', payload: '{}', headers })
    t.equal(answer.statusCode, status, type)
    if (status === 415)
      t.equal(
        answer.headers['accept-post'],
        'application/json, application/protojson, application/x-www-form-urlencoded',
      )
  }
  const empty = await app.inject({
    method: 'POST',
    url: '/v1/users',
    headers: { 'content-type': 'text/plain', 'content-encoding': 'zippy' },
  })
  t.equal(empty.statusCode, 200, 'the type of no body does not matter')
})
