// Our REST client against servers of Kratos v2 and v3, built with Go: `npm run verify kratos-servers`.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { isDeepStrictEqual } from 'node:util'
import {
  create,
  type DescMethodStreaming,
  type DescMethodUnary,
  fromBinary,
  fromJson,
  type JsonObject,
  type JsonValue,
  type Message,
  toBinary,
  toJson,
} from '@bufbuild/protobuf'
import { ConnectError, createClient } from '@connectrpc/connect'
import { codeToString } from '@connectrpc/connect/protocol-connect'
import fc from 'fast-check'
import { test, type Test } from 'tap'
import { buildClients } from '../../scripts/go-clients.ts'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { ErrorInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts'
import { serviceIn, testProtos } from '../rest/descriptors.ts'
import { richJson } from '../rest/rich.ts'
import { inQuery } from '../rest/rich-requests.ts'
import { type Dialect, transportTo } from '../client/rest/peer.ts'

/** Messages a method, and the seed that a failure printed. */
const runs = Number(process.env.REST_RUNS ?? 300)
const seed = Number(process.env.REST_SEED ?? Date.now() % 2 ** 31)

const programs = buildClients({
  folder: join(import.meta.dirname, 'kratos'),
  module: 'user-service/interop',
  programs: ['server-v2', 'server-v3'],
  protos: ['test/rest/protos/test/rest/v1/rich.proto', 'test/rest/protos/test/client'],
})
const registry = testProtos()
const echo = serviceIn(registry, 'test.rest.v1.Echo')
const files = serviceIn(registry, 'test.client.v1.Files')
const rich = (echo.methods[0] as DescMethodUnary).input

/** A server of that version, which ends with the test, and a transport to it. */
async function served(t: Test, program: string, dialect: Dialect) {
  const child = spawn(programs.get(program) ?? program, { stdio: ['ignore', 'pipe', 'ignore'] })
  const exit = once(child, 'exit')
  t.teardown(async () => {
    child.kill()
    await exit
  })
  const [url] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return transportTo(t, url, { dialect })
}

async function failureOf(call: Promise<unknown>) {
  const err = await call.then(
    () => new Error('it succeeded'),
    (reason: unknown) => reason,
  )
  if (!(err instanceof ConnectError)) throw err
  const [info] = err.findDetails(ErrorInfoSchema)
  return {
    code: codeToString(err.code),
    reason: info?.reason,
    metadata: info?.metadata,
    message: err.rawMessage,
  }
}

type Json = JsonValue | undefined

/** Go's durations end at 292 years, and paths of FieldMask are not checked there. */
function fitsGo(value: Json): boolean {
  const [, seconds] =
    typeof value === 'string' ? (/^(-?\d{10,})(?:\.\d+)?s$/.exec(value) ?? []) : []
  if (seconds !== undefined) return false
  return typeof value !== 'object' || value === null || Object.values(value).every(fitsGo)
}

/** Whether Kratos' reader of queries leaves a value as it is: it passes over empty texts. */
function keptInQuery(value: Json): boolean {
  if (value === '') return false
  if (Array.isArray(value) || typeof value !== 'object' || value === null) return true
  return Object.values(value).every(keptInQuery)
}

/**
 * The JSON of a message with floats as they are on the wire, since Go writes fewer digits of them. As
 * in Go's protojson, null stands for an unset message too; of a Value it means null.
 */
function jsonOf(message: Message, sent: JsonObject): JsonObject {
  const json = toJson(rich, fromBinary(rich, toBinary(rich, message))) as JsonObject
  if (json.value === null && !('value' in sent)) delete json.value
  return json
}

/** Kratos finds enums of a number that the proto lacks wrong, in queries only. */
function withoutUnknownEnums(value: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(value).filter(([name, each]) => {
      if (!/color/i.test(name)) return true
      return ![each].flat().some((one) => typeof one === 'number')
    }),
  )
}

for (const [program, dialect] of [
  ['server-v2', 'kratos2'],
  ['server-v3', 'kratos3'],
] as const) {
  test(`${program}: users are created, found, listed, changed and deleted`, async (t) => {
    const users = createClient(User, await served(t, program, dialect))
    const email = 'ada+1@example.org'
    const { id } = await users.createUser({ name: 'Ada & Co?', email })
    t.ok(id > 2n ** 53n)
    t.match(await users.getUser({ id }), { id, name: 'Ada & Co?', email, createdAt: 1700000000n })
    const page = { page: 1, pageSize: 1, pageToken: 'ü&=+ %' }
    t.match(await users.listUsers(page), { users: [{ id }], total: 1, nextPageToken: 'ü&=+ %' })
    const change = { user: { name: 'Ada', phone: '1' }, updateMask: { paths: ['name'] } }
    t.match(await users.updateUser({ id, ...change }), { id, name: 'Ada', phone: '' })
    await users.deleteUser({ id })
    const missing = await failureOf(users.getUser({ id }))
    const metadata = { user_id: String(id) }
    t.match(missing, { code: 'not_found', reason: 'USER_NOT_FOUND', metadata })
    t.equal(missing.message, 'there is no such user')
  })

  test(`${program}: errors have code, reason and metadata`, async (t) => {
    const users = createClient(User, await served(t, program, dialect))
    await users.createUser({ name: 'Ada', email: 'a@b' })
    t.strictSame(await failureOf(users.createUser({ name: 'Ada', email: 'a@b' })), {
      code: 'aborted',
      reason: 'USER_ALREADY_EXISTS',
      metadata: { email: 'a@b' },
      message: 'it is taken',
    })
    const codes = { 400: 'invalid_argument', 401: 'unauthenticated', 403: 'permission_denied' }
    const others = { 418: 'unknown', 429: 'resource_exhausted', 499: 'canceled', 500: 'internal' }
    const last = { 501: 'unimplemented', 503: 'unavailable', 504: 'deadline_exceeded' }
    const failed = { 412: dialect === 'kratos3' ? 'failed_precondition' : 'unknown' }
    for (const [status, code] of Object.entries({ ...codes, ...others, ...last, ...failed }))
      t.match(await failureOf(users.createUser({ name: `status ${status}` })), {
        code,
        reason: 'ASKED_FOR',
        metadata: { status },
      })
    t.match(await failureOf(users.createUser({ name: 'panic' })), { code: 'internal' })
  })

  test(`${program}: a path that it does not have is unimplemented, not a missing user`, async (t) => {
    const transport = await served(t, program, dialect)
    const method = echo.methods.find(({ name }) => name === 'List') as DescMethodUnary
    const input = { text: 'a' }
    const call = transport.unary(method, undefined, undefined, undefined, input)
    t.match(await failureOf(call), { code: 'unimplemented', reason: undefined })
  })

  for (const name of ['Query', 'Body', 'Child'])
    test(`${program}: a random message arrives by the rule of ${name}, and comes back`, async (t) => {
      const transport = await served(t, program, dialect)
      const method = echo.methods.find((each) => each.name === name) as DescMethodUnary
      const body = { Query: '', Body: '*', Child: 'child' }[name] ?? ''
      const property = fc.asyncProperty(richJson(rich).filter(fitsGo), async (random) => {
        const whole = name === 'Child' ? { ...random, text: 'a b?#%+:é' } : random
        const { child, ...rest } = inQuery(rich, whole, body)
        const query = Object.entries(withoutUnknownEnums(rest)).filter(([, each]) =>
          keptInQuery(each),
        )
        const sent =
          body === '*' ? whole : { ...Object.fromEntries(query), ...(child && { child }) }
        if (body === '' && !keptInQuery(child)) delete sent.child
        const message = fromJson(rich, sent)
        const answer = await transport.unary(method, undefined, undefined, undefined, message)
        const got = jsonOf(answer.message, sent)
        const expected = jsonOf(message, sent)
        const keys = Object.keys({ ...got, ...expected })
        const differ = keys.filter((key) => !isDeepStrictEqual(got[key], expected[key]))
        const [key] = differ
        if (key !== undefined)
          throw new Error(
            `${key}: ${JSON.stringify(got[key])} not ${JSON.stringify(expected[key])}`,
          )
      })
      const { failed, counterexamplePath, errorInstance } = await fc.check(property, {
        numRuns: runs,
        seed,
      })
      t.notOk(failed, `REST_SEED=${seed} path ${counterexamplePath}: ${String(errorInstance)}`)
    })

  test(`${program}: paths of several segments with a verb, and answers of one field`, async (t) => {
    const transport = await served(t, program, dialect)
    const deep = echo.methods.find(({ name }) => name === 'Deep') as DescMethodUnary
    const input = fromJson(rich, { child: { text: 'x y' }, text: 'rooms/ü b/doors/1/2', i64: '7' })
    const same = await transport.unary(deep, undefined, undefined, undefined, input)
    t.strictSame(jsonOf(same.message, {}), jsonOf(input, {}))
    const part = echo.methods.find(({ name }) => name === 'Part') as DescMethodUnary
    const whole = fromJson(rich, { child: { text: 'c', optI64: '5' } })
    const { message } = await transport.unary(part, undefined, undefined, undefined, whole)
    t.strictSame(jsonOf(message, {}), jsonOf(whole, {}))
  })

  test(`${program}: maps and structs go by the query`, async (t) => {
    const transport = await served(t, program, dialect)
    const method = echo.methods.find(({ name }) => name === 'Query') as DescMethodUnary
    const maps = { byText: { 'a&b': 'c d', ü: '=' }, byI32: { '-7': true }, byU64: { '1': '/+8=' } }
    const input = fromJson(rich, { ...maps, object: { a: [1, null, { b: 'x y' }] } })
    const { message } = await transport.unary(method, undefined, undefined, undefined, input)
    t.strictSame(jsonOf(message, {}), jsonOf(input, {}))
  })
}

test('a peer of the other dialect refuses bodies, and answers in Go’s JSON are read', async (t) => {
  const newer = createClient(User, await served(t, 'server-v2', 'kratos3'))
  const refused = await failureOf(newer.createUser({ name: 'Ada', email: 'a@b' }))
  t.match(refused, { code: 'invalid_argument', reason: 'CODEC' })
  const transport = await served(t, 'server-v3', 'kratos2')
  const method = echo.methods.find(({ name }) => name === 'Body') as DescMethodUnary
  const input = fromJson(rich, { i64: '5' })
  const call = transport.unary(method, undefined, undefined, undefined, input)
  t.match(await failureOf(call), { code: 'invalid_argument', reason: 'CODEC' })
  const users = createClient(User, transport)
  const { id } = await users.createUser({ name: 'Ada', email: 'a@b' })
  t.equal(id, 2n ** 53n + 101n)
  t.match(await users.getUser({ id }), { id, createdAt: 1700000000n })
})

test('server-v3: server streams are read, with the error that ends them', async (t) => {
  const transport = await served(t, 'server-v3', 'kratos3')
  const down = files.methods.find(({ name }) => name === 'Down') as DescMethodStreaming
  async function read(name: string) {
    async function* input(): AsyncGenerator<Message> {
      yield create(down.input, { name }) as Message
    }
    const names: JsonValue[] = []
    const stream = transport.stream(down, undefined, undefined, undefined, input())
    const all = async () => {
      for await (const message of (await stream).message)
        names.push((toJson(down.output, message) as { name: string }).name)
    }
    return { outcome: all(), names }
  }
  const whole = await read('a b')
  await whole.outcome
  t.strictSame(whole.names, ['a b 0', 'a b 1'])
  const broken = await read('broken')
  t.match(await failureOf(broken.outcome), { code: 'unavailable', reason: 'STOPPING' })
  t.strictSame(broken.names, ['broken 0', 'broken 1'])
  const none = await read('none')
  t.match(await failureOf(none.outcome), { code: 'not_found', reason: 'NO_FILE' })
})
