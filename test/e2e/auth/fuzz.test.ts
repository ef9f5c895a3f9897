import { hash, randomBytes, X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import http, { type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import tls from 'node:tls'
import t, { test, type Test } from 'tap'
import { type RunningApp, startApp } from '../../help/app.ts'
import { mutualTls } from '../../help/certificates.ts'
import { h2Client } from '../h2.ts'
import { audience, startIssuer } from './issuer.ts'
import { random } from './random.ts'

const runs = Number(process.env.AUTH_RUNS ?? 400)
/** A handshake costs as much as many calls. */
const handshakes = Math.ceil(runs / 25)
const seed = Number(process.env.AUTH_SEED ?? Date.now() % 2 ** 31)
t.setTimeout(900_000)

/** Those that are read, and those that are not. */
const names = ['authorization', 'Authorization', 'x-api-key', 'cookie', 'proxy-authorization']
const unread = new Set(['cookie', 'proxy-authorization'])
const unreadForms = [
  'authorization=',
  'x-api-key=',
  'token=',
  'access_token=Bearer ',
  'Bearer ',
  '',
]
const schemes = [
  'Bearer ',
  'bearer ',
  'Basic ',
  'Bearer',
  'DPoP ',
  '',
  'Bearer\t',
  'Bearer Bearer ',
]

/** Headers with a good token or key that is broken, moved or doubled somewhere. */
function broken(next: () => number, good: readonly string[]): string[] {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T
  const at = (text: string) => Math.floor(next() * text.length)
  const breaks: ((text: string) => string)[] = [
    (text) => text.slice(0, at(text)),
    (text) => text.slice(at(text) + 1),
    (text) => {
      // The last character has bits that no byte takes.
      const index = Math.floor(next() * (text.length - 1))
      const other = text[index] === 'x' ? 'y' : 'x'
      return `${text.slice(0, index)}${other}${text.slice(index + 1)}`
    },
    (text) => text.replaceAll('.', pick(['', '..', ',', ' ', ':'])),
    () => randomBytes(at('x'.repeat(60))).toString('base64url'),
    (text) => `${text}.${text}`,
    (text) => text.split('.').toReversed().join('.'),
  ]
  const count = 1 + Math.floor(next() * 2)
  return Array.from({ length: count }).flatMap(() => {
    const name = pick(names)
    // What is right does not count there either.
    if (unread.has(name))
      return [name, `${pick(unreadForms)}${pick([...good, pick(breaks)(pick(good))])}`]
    const scheme = name === 'x-api-key' ? '' : pick(schemes)
    return [name, `${scheme}${pick(breaks)(pick(good))}`]
  })
}

/** Sends names and values in turn, and gives the status: that of HTTP, or grpc-status. */
type Way = (headers: readonly string[]) => Promise<string>

const list = '/api.user.v1.User/ListUsers'
/** A message without fields. */
const empty = Buffer.alloc(5)

function overHttp1(t: Test, url: string, type?: string, body?: string | Buffer): Way {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 8 })
  t.teardown(() => agent.destroy())
  const own = [
    'host',
    'localhost',
    'connection',
    'keep-alive',
    ...(type ? ['content-type', type] : []),
  ]
  const method = body === undefined ? 'GET' : 'POST'
  const length = body === undefined ? [] : ['content-length', String(body.length)]
  return async function send(headers) {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const options = { agent, method, headers: [...own, ...length, ...headers] }
    http.request(url, options, resolve).once('error', reject).end(body)
    const response = await promise
    let bytes = ''
    for await (const chunk of response) bytes += String(chunk)
    if (response.statusCode !== 200) return `${response.statusCode}`
    const status = response.headers['grpc-status'] ?? /grpc-status: ?(\d+)/.exec(bytes)?.[1]
    return status === undefined ? '200' : `grpc ${String(status)}`
  }
}

function overHttp2(t: Test, url: string, own: Record<string, string>, body?: Buffer): Way {
  const request = h2Client(t, url)
  return async function send(headers) {
    const fields: Record<string, string | string[]> = { ...own }
    for (let index = 0; index < headers.length; index += 2) {
      const name = String(headers[index]).toLowerCase()
      fields[name] = [...[fields[name] ?? []].flat(), String(headers[index + 1])]
    }
    const { status, headers: answered, trailers } = await request(fields, body)
    const grpc = trailers.get('grpc-status') ?? answered.get('grpc-status')
    return grpc === null ? `${status}` : `grpc ${grpc}`
  }
}

/** Ways to read users, each with the answer to a stranger. */
function waysOf(t: Test, { rest, rpc }: RunningApp): { send: Way; refused: string }[] {
  const url = `${rpc.url}${list}`
  const grpc = {
    ':method': 'POST',
    ':path': list,
    'content-type': 'application/grpc',
    te: 'trailers',
  }
  const stream = { ':method': 'GET', ':path': '/v1/users:export' }
  return [
    { send: overHttp1(t, `${rest.url}/v1/users`), refused: '401' },
    { send: overHttp1(t, `${rest.url}/v1/users:watch`), refused: '401' },
    { send: overHttp2(t, rest.url, stream), refused: '401' },
    { send: overHttp1(t, url, 'application/json', '{}'), refused: '401' },
    { send: overHttp1(t, url, 'application/grpc-web', empty), refused: 'grpc 16' },
    { send: overHttp2(t, rpc.url, grpc, empty), refused: 'grpc 16' },
  ]
}

test(`of ${runs} calls with broken credentials none is let in and none fails`, async (t) => {
  const issuer = await startIssuer(t)
  const secret = randomBytes(32).toString('hex')
  const file = join(t.testdir({}), 'keys')
  writeFileSync(file, `reports ${hash('sha256', secret)} users:read`)
  const app = await startApp(t, {
    storage: 'sqlite',
    env: { AUTH_ISSUER: issuer.url, AUTH_AUDIENCE: audience, API_KEYS_FILE: file },
  })
  const [token, key] = [await issuer.token(), `reports.${secret}`]
  const ways = waysOf(t, app)
  const [{ send } = { send: async () => '' }] = ways
  t.equal(await send(['authorization', `Bearer ${token}`]), '200')
  t.equal(await send(['x-api-key', key]), '200')
  const next = random(seed)
  const found: Record<string, number> = {}
  const wrong: string[][] = []
  async function work(): Promise<void> {
    for (let index = 0; index < runs / 8; index += 1) {
      const headers = broken(next, [token, key])
      const way = ways[index % ways.length] ?? ways[0]
      const outcome = await way?.send(headers)
      found[`${outcome}`] = (found[`${outcome}`] ?? 0) + 1
      if (outcome !== way?.refused) wrong.push([`${index % ways.length}: ${outcome}`, ...headers])
    }
  }
  await Promise.all(Array.from({ length: 8 }, work))
  t.same(wrong.slice(0, 3), [], `AUTH_SEED=${seed}`)
  t.comment(JSON.stringify(found))
})

/** Certificates that the owner of `good` could make of it: a byte changed, taken out or put in. */
function changedCertificate(next: () => number, good: Buffer): string {
  const bytes = [...new X509Certificate(good).raw]
  const at = Math.floor(next() * bytes.length)
  const byte = Math.floor(next() * 256)
  const kind = next()
  if (kind < 0.1) bytes.splice(at, 1)
  else if (kind < 0.2) bytes.splice(at, 0, byte)
  else bytes[at] = (bytes[at] ?? 0) ^ (byte || 1)
  const text = Buffer.from(bytes).toString('base64').replace(/.{64}/g, '$&\n')
  return `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`
}

const unshown = 'cannot be shown'

/** Asks for users over a connection of its own. Gives the status line, empty where there is no answer. */
async function asked(port: number, credentials: tls.ConnectionOptions): Promise<string> {
  let socket: tls.TLSSocket
  try {
    socket = tls.connect({ port, host: '127.0.0.1', ...credentials })
  } catch {
    return unshown
  }
  let text = ''
  socket.on('data', (chunk) => (text += String(chunk))).on('error', () => undefined)
  socket.end('GET /v1/users HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n')
  const { promise, resolve } = Promise.withResolvers<void>()
  socket.once('close', () => resolve())
  await promise
  return text.split('\r\n', 1)[0] ?? ''
}

/** A subjectAltName of one name, of any characters. `kind` is its tag (RFC 5280, GeneralName). */
function oneName(kind: number, name: string): string {
  const der = Buffer.from([0x30, name.length + 2, kind, name.length, ...Buffer.from(name)])
  return `DER:${der.toString('hex')}`
}

const principal = 'spiffe://example.org/ns/shop/sa/orders'

test(`of ${handshakes} certificates that are changed, and of others, none lets its owner in`, async (t) => {
  const { env, client, stranger, nobody, issued } = mutualTls(t, `URI:${principal}`)
  const app = await startApp(t, {
    storage: 'sqlite',
    env,
    configure: ({ auth }) => void (auth.mtls.principals = { [principal]: 'users:read' }),
  })
  const ask = (credentials: tls.ConnectionOptions) => asked(app.rest.port, credentials)
  const [answer, closed] = ['HTTP/1.1 401 Unauthorized', '']
  t.equal(await ask(client), 'HTTP/1.1 200 OK')
  const others: [title: string, credentials: tls.ConnectionOptions, expected: string][] = [
    ['no certificate', nobody, closed],
    ['one of another authority', stranger, closed],
    ['an expired one', issued('expired', `URI:${principal}`, { days: -1 }), closed],
    ['one signed by a client', issued('below', `URI:${principal}`, { signer: 'client' }), closed],
    ['another name', issued('wrong', `URI:${principal}2`), answer],
    ['a name with more', issued('more', `URI:${principal}/admin`), answer],
    ['the name as mail address', issued('mail', `email:${principal}`), answer],
    ['the name within a URI', issued('uri', oneName(0x86, `x, URI:${principal}`)), answer],
    ['the name within a DNS name', issued('dns', oneName(0x82, `x, URI:${principal}`)), answer],
  ]
  for (const [title, credentials, expected] of others)
    t.equal(await ask(credentials), expected, title)
  const next = random(seed)
  const found: Record<string, number> = {}
  let shown = 0
  for (let index = 0; shown < handshakes && index < 100 * handshakes; index += 1) {
    const cert = changedCertificate(next, Buffer.from(client.cert))
    const outcome = await ask({ ...client, cert })
    found[outcome] = (found[outcome] ?? 0) + 1
    if (outcome !== unshown) shown += 1
  }
  t.equal(shown, handshakes, 'a certificate that the client itself cannot read is none of them')
  const answered = Object.keys(found).filter((each) => each !== closed && each !== unshown)
  t.same(answered, [], `AUTH_SEED=${seed}`)
  t.equal(await ask(client), 'HTTP/1.1 200 OK', `AUTH_SEED=${seed}`)
  t.comment(JSON.stringify(found))
})
