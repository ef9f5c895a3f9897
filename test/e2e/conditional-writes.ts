import type { JsonValue } from '@bufbuild/protobuf'
import type { Test } from 'tap'
import { type RunningApp, startApp, type Storage } from '../help/app.ts'
import { type Call, callers, type Outcome } from './callers.ts'
import { h2Client } from './h2.ts'
import { exchange, type RawAnswer } from './raw.ts'

interface Sent {
  method?: string
  path: string
  headers?: Record<string, string>
  body?: JsonValue
}

type Ask = (request: Sent) => Promise<RawAnswer>

/** Sends to the REST port, a body as JSON unless its headers say otherwise. */
function askers(t: Test, { rest }: RunningApp): Record<string, Ask> {
  const overH2 = h2Client(t, rest.url)
  const json = { 'content-type': 'application/json' }
  return {
    'HTTP/1.1': ({ method = 'GET', path, headers, body }) =>
      exchange(rest.port, {
        method,
        target: path,
        headers: { ...(body !== undefined && json), ...headers },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }),
    h2c: ({ method = 'GET', path, headers, body }) =>
      overH2(
        { ':method': method, ':path': path, ...(body !== undefined && json), ...headers },
        body === undefined ? undefined : JSON.stringify(body),
      ),
  }
}

interface At {
  t: Test
  ask: Ask
}

let made = 0

/** Creates a user and gives its path and what a GET says of it. */
async function newUser({
  ask,
}: At): Promise<{ path: string; user: Record<string, string>; tag: string }> {
  const body = { name: 'Ada', email: `conditional-${(made += 1)}@example.com`, phone: '030 1' }
  const created = read(await ask({ method: 'POST', path: '/v1/users', body }))
  const path = `/v1/users/${created['id']}`
  const answer = await ask({ path })
  return { path, user: read(answer), tag: answer.headers.get('etag') ?? '' }
}

function read({ body }: RawAnswer): Record<string, string> {
  return JSON.parse(body) as Record<string, string>
}

const failed = { code: 412, reason: 'PRECONDITION_FAILED' }
const ifMatch = (tag: string) => ({ 'if-match': tag })

const rows: Record<string, (at: At) => Promise<void>> = {
  async 'the tag of a GET is strong, stands in the body too, and lets one write pass'({ t, ask }) {
    const { path, user, tag } = await newUser({ t, ask })
    t.match(tag, /^"[\w-]+"$/)
    t.equal(user['etag'], tag)
    const headers = ifMatch(tag)
    const changed = await ask({ method: 'PATCH', path, headers, body: { name: 'B' } })
    t.equal(changed.status, 200)
    const now = await ask({ path })
    t.equal(changed.headers.get('etag'), now.headers.get('etag'))
    t.not(now.headers.get('etag'), tag)
    t.match(read(await ask({ method: 'PATCH', path, headers, body: { name: 'C' } })), failed)
    t.match(read(await ask({ method: 'DELETE', path, headers })), failed)
    t.strictSame(read(await ask({ path })), read(now))
    const last = ifMatch(now.headers.get('etag') ?? '')
    t.equal((await ask({ method: 'DELETE', path, headers: last })).status, 200)
    t.equal((await ask({ path })).status, 404)
  },

  async 'a tag stays when a write leaves the user as it was'({ t, ask }) {
    const { path, tag } = await newUser({ t, ask })
    const body = { name: ' Ada ' }
    const answer = await ask({ method: 'PATCH', path, headers: ifMatch(tag), body })
    t.equal(answer.status, 200)
    t.equal(answer.headers.get('etag'), tag)
  },

  async 'If-Match takes a list and *, and compares strongly'({ t, ask }) {
    const { path, user, tag } = await newUser({ t, ask })
    for (const none of ['"x"', '"x", "y"', `W/${tag}`, tag.toLowerCase(), '""']) {
      const answer = await ask({
        method: 'PATCH',
        path,
        headers: ifMatch(none),
        body: { name: 'B' },
      })
      t.match(read(answer), failed, none)
    }
    t.strictSame(read(await ask({ path })), user)
    for (const some of [tag, `"x", ${tag}`, `${tag.slice(0, -1)};gzip"`, '*']) {
      const answer = await ask({
        method: 'PATCH',
        path,
        headers: ifMatch(some),
        body: { name: 'Ada' },
      })
      t.equal(answer.status, 200, some)
    }
  },

  async 'If-None-Match * forbids a write to what exists'({ t, ask }) {
    const { path, user, tag } = await newUser({ t, ask })
    const headers = { 'if-none-match': '*' }
    for (const each of [headers, { ...headers, ...ifMatch(tag) }]) {
      t.match(read(await ask({ method: 'DELETE', path, headers: each })), failed)
      t.match(
        read(await ask({ method: 'PATCH', path, headers: each, body: { name: 'B' } })),
        failed,
      )
    }
    t.strictSame(read(await ask({ path })), user)
  },

  async 'nobody is not found, whatever the condition'({ t, ask }) {
    for (const headers of [ifMatch('"x"'), ifMatch('*'), { 'if-none-match': '*' }]) {
      const body = { name: 'B' }
      for (const sent of [{ method: 'PATCH', body }, { method: 'DELETE' }, { method: 'GET' }])
        t.match(read(await ask({ path: '/v1/users/9223372036854775807', headers, ...sent })), {
          code: 404,
          reason: 'USER_NOT_FOUND',
        })
    }
  },

  async 'a condition that cannot be read is refused by its name'({ t, ask }) {
    const { path, user, tag } = await newUser({ t, ask })
    for (const [name, value] of [
      ['if-match', tag.slice(1, -1)],
      ['if-match', `${tag} ${tag}`],
      ['if-none-match', tag],
    ] as const) {
      const answer = await ask({ method: 'DELETE', path, headers: { [name]: value } })
      t.match(read(answer), {
        code: 400,
        reason: 'INVALID_PARAMETER',
        metadata: { [name]: String },
      })
    }
    t.strictSame(read(await ask({ path })), user)
  },

  async 'a create with a condition is not made'({ t, ask }) {
    const body = { name: 'Ada', email: `never-${(made += 1)}@example.com` }
    for (const headers of [ifMatch('"x"'), ifMatch('*'), { 'if-none-match': '*' }])
      t.match(read(await ask({ method: 'POST', path: '/v1/users', headers, body })), failed)
    t.equal((await ask({ method: 'POST', path: '/v1/users', body })).status, 200)
  },

  async 'a GET is answered with 304 while the user is as the client has it'({ t, ask }) {
    const { path, tag } = await newUser({ t, ask })
    const held = [tag, `W/${tag}`, `"x", W/${tag}`, '*']
    for (const each of held) {
      const answer = await ask({ path, headers: { 'if-none-match': each } })
      t.equal(answer.status, 304, each)
      t.equal(answer.headers.get('etag'), tag)
    }
    await ask({ method: 'PATCH', path, body: { name: 'B' } })
    for (const each of held.slice(0, -1))
      t.equal((await ask({ path, headers: { 'if-none-match': each } })).status, 200, each)
  },

  async 'a merge patch clears what is null and leaves what is absent'({ t, ask }) {
    const { path, user } = await newUser({ t, ask })
    const patch = (type: string, body: JsonValue) =>
      ask({ method: 'PATCH', path, headers: { 'content-type': type }, body })
    const document = { name: 'M', phone: null }
    const plain = read(await patch('application/json', document))
    t.match(plain, { name: 'M', phone: user['phone'] }, 'null says nothing in plain JSON')
    const merged = read(await patch('application/merge-patch+json', document))
    t.match(merged, { name: 'M', phone: '', email: user['email'] })
    t.strictSame(read(await ask({ path })), merged)
    const bare = await patch('application/merge-patch+json', { name: null, phone: '030 2' })
    t.match(read(bare), {
      code: 400,
      reason: 'INVALID_USER_INPUT',
      metadata: { name: 'cannot be cleared' },
    })
    const other = await patch('application/json-patch+json', [{ op: 'remove', path: '/phone' }])
    t.equal(other.status, 415)
    t.match(
      other.headers.get('accept-patch'),
      /^application\/merge-patch\+json, application\/json,/,
    )
    t.strictSame(read(await ask({ path })), merged)
  },

  async 'of 20 updates with one tag at once exactly one is made'({ t, ask }) {
    const { path, tag } = await newUser({ t, ask })
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        ask({ method: 'PATCH', path, headers: ifMatch(tag), body: { name: `n${index}` } }),
      ),
    )
    const [made, ...others] = answers.toSorted((one, other) => one.status - other.status)
    for (const other of others) t.match(read(other), failed)
    t.equal(made?.status, 200)
    t.equal((await ask({ path })).body, made?.body)
  },
}

const changed = { code: 'aborted', reason: 'PRECONDITION_FAILED' }

function message(outcome: Outcome): Record<string, string> {
  if ('message' in outcome) return outcome.message as Record<string, string>
  throw new Error(`the call failed: ${JSON.stringify(outcome)}`)
}

/** The same by the field `etag`, which a call of RPC has for it. */
async function rpcRow(t: Test, call: Call): Promise<void> {
  const email = `rpc-${(made += 1)}@example.com`
  const { id = '', etag: first = '' } = message(await call('createUser', { name: 'Ada', email }))
  t.equal(message(await call('getUser', { id }))['etag'], first)
  const named = (name: string) => call('updateUser', { id, etag: first, user: { name } })
  const outcomes = await Promise.all(Array.from({ length: 20 }, (_, index) => named(`n${index}`)))
  const refused = outcomes.filter((outcome) => 'code' in outcome)
  t.equal(refused.length, 19)
  for (const outcome of refused) t.match(outcome, { ...changed, metadata: { user_id: id } })
  t.match(await call('deleteUser', { id, etag: first }), changed)
  const { etag: last = '' } = message(await call('getUser', { id }))
  t.match(await call('deleteUser', { id, etag: `W/${last}` }), changed)
  t.match(await call('deleteUser', { id, etag: last.slice(1, -1) }), {
    code: 'invalid_argument',
    reason: 'INVALID_USER_INPUT',
    fields: { etag: String },
  })
  t.match(await call('deleteUser', { id, etag: `"x", ${last}` }), { message: {} })
  t.match(await call('deleteUser', { id, etag: last }), { code: 'not_found' })
}

/** Conditions of users' writes, over each version of HTTP on the REST port and each protocol of RPC. */
export async function runConditionalWrites(t: Test, storage: Storage): Promise<void> {
  const app = await startApp(t, { storage })
  for (const [protocol, ask] of Object.entries(askers(t, app)))
    for (const [title, row] of Object.entries(rows))
      await t.test(`${title} (${protocol})`, (t) => row({ t, ask }))
  const title = 'the field etag is the condition of a write'
  for (const [protocol, call] of Object.entries(callers(app)))
    if (protocol !== 'REST') await t.test(`${title} (${protocol})`, (t) => rpcRow(t, call))
}
