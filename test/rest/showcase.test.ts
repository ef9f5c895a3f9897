import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { create, equals, fromJson, type JsonObject, type Message } from '@bufbuild/protobuf'
import { Code, ConnectError, createContextKey, createContextValues } from '@connectrpc/connect'
import type { HandlerContext } from '@connectrpc/connect'
import { test, type Test } from 'tap'
import { httpBindings } from '../../src/rest/route/rules.ts'
import { type GaxCall, gaxClient, gaxTest } from './gax.ts'
import { messageIn, serviceIn, testProtos } from './descriptors.ts'
import { type Ask, protocols, serveRest } from './listen.ts'

interface Suite {
  groups: { name: string; rpcs: string[]; requests: (JsonObject & { name: string })[] }[]
  badFields: [field: string, value: string][]
  alt: { query: string; rest?: string; int?: true; error?: true }[]
}

const suite = JSON.parse(readFileSync(new URL('showcase.json', import.meta.url), 'utf8')) as Suite
const registry = testProtos()
const pkg = 'google.showcase.v1beta1'
const compliance = serviceIn(registry, `${pkg}.Compliance`)
const repeatRequest = messageIn(registry, `${pkg}.RepeatRequest`)
const repeatResponse = messageIn(registry, `${pkg}.RepeatResponse`)
const enumResponse = messageIn(registry, `${pkg}.EnumResponse`)

const bindingUri = createContextKey('')

/** The service as Google's own server answers it: every request comes back. */
async function serveCompliance(t: Test) {
  const templates = new WeakMap<object, string>()
  const repeat = (request: Message, { values }: HandlerContext) =>
    create(repeatResponse, { request, bindingUri: values.get(bindingUri) })
  const rpcs = compliance.methods.map(({ localName }) => localName)
  const repeats = rpcs.filter((name) => name.startsWith('repeat')).map((name) => [name, repeat])
  return serveRest(t, {
    routes: (router) =>
      router.service(compliance, { ...Object.fromEntries(repeats), getEnum, verifyEnum } as never),
    contextValues: (request) => createContextValues().set(bindingUri, templates.get(request) ?? ''),
    observer: {
      route: (request, { template }) => void templates.set(request, template.source),
      error: () => undefined,
    },
  })
}

type EnumRequest = Message & { unknownEnum: boolean }
type EnumResponse = Message & { request?: EnumRequest; continent: number }

const AUSTRALIA = 4
const UNKNOWN = 2147483647

function getEnum(request: EnumRequest) {
  const continent = request.unknownEnum ? UNKNOWN : AUSTRALIA
  return create(enumResponse, { request, continent })
}

function verifyEnum(response: EnumResponse) {
  const expected = response.request?.unknownEnum ? UNKNOWN : AUSTRALIA
  if (response.continent === expected) return response
  throw new ConnectError(`the continent is ${response.continent}`, Code.InvalidArgument)
}

interface Repeated {
  request: JsonObject
  bindingUri: string
}

type Call = (request: object) => Promise<Record<string, unknown>>
interface GaxOptions {
  numericEnums?: boolean
  minifyJson?: boolean
}

/** The client that Google's libraries use over REST, with the requests going out by `ask`. */
async function complianceClient(ask: Ask, options: GaxOptions = {}) {
  const proto = join(import.meta.dirname, 'protos', `${pkg.replaceAll('.', '/')}/compliance.proto`)
  let repeated: Repeated = { request: {}, bindingUri: '' }
  const method = await gaxClient({
    ...options,
    proto,
    service: `${pkg}.Compliance`,
    port: 80,
    async fetch(url, { method, headers, body }) {
      const target = correctQuery(url.slice(url.indexOf('/', 'http://'.length)))
      const answer = await ask({
        method: method ?? 'GET',
        target,
        headers: Object.fromEntries(headers),
        ...(typeof body === 'string' && { body }),
      })
      if (answer.status !== 200 || !target.startsWith('/v1beta1/repeat'))
        return new Response(answer.body, { status: answer.status })
      // gax reads no field of type sint32, sfixed32, sint64 or sfixed64 (proto3-json-serializer 3).
      repeated = JSON.parse(answer.body) as Repeated
      return new Response('{}')
    },
  })
  const calls = Object.fromEntries(
    compliance.methods.map(({ name, localName }) => [name, promised(method(localName))]),
  )
  /** The answer to a call of Repeat…, as the server gave it. */
  async function repeat(rpc: string, request: object): Promise<Repeated> {
    await calls[rpc]?.(request)
    return repeated
  }
  return { calls, repeat }
}

/** gax writes the fields of a nested message without the names of what is above (6.17.0). */
function correctQuery(target: string): string {
  return target.replaceAll(/(?<=[?&])(?=[fp]Child\.)/g, 'info.')
}

function promised(call: GaxCall): Call {
  return (request) =>
    new Promise((resolve, reject) => {
      call(request, {}, {}, (err, response) => (err ? reject(err) : resolve(response)))
    })
}

const suiteOptions: [name: string, options: GaxOptions][] = [
  ['as it comes', {}],
  ['with enums as numbers and compact JSON', { numericEnums: true, minifyJson: true }],
]

for (const protocol of protocols)
  for (const [name, options] of suiteOptions)
    gaxTest(
      `Google's compliance suite passes with google-gax ${name} over ${protocol}`,
      async (t) => {
        const { ask } = await serveCompliance(t)
        const { repeat } = await complianceClient(ask[protocol], options)
        let count = 0
        for (const { rpcs, requests, name: group } of suite.groups)
          for (const given of requests)
            for (const rpc of rpcs) {
              count += 1
              await t.test(`${group}: ${rpc}: ${given.name}`, async (t) => {
                const { request, bindingUri } = await repeat(rpc, withPathFields(rpc, given))
                const echoed = fromJson(repeatRequest, request)
                t.ok(
                  equals(repeatRequest, echoed, fromJson(repeatRequest, given)),
                  JSON.stringify(request),
                )
                t.equal(bindingUri, given.intendedBindingUri ?? firstTemplate(rpc))
              })
            }
        t.equal(count, 53)
      },
    )

const pathFields: Record<string, JsonObject> = {
  RepeatDataSimplePath: {
    fInt32: 0,
    fDouble: 0,
    fBool: false,
    fKingdom: 'LIFE_KINGDOM_UNSPECIFIED',
  },
  RepeatDataPathResource: { fBool: false },
}

/** gax builds no path from a field that is not set, so default values are set for it. */
function withPathFields(rpc: string, request: JsonObject): JsonObject {
  return { ...request, info: { ...pathFields[rpc], ...(request.info as JsonObject) } }
}

/** The template of the method's first binding, as its proto has it. */
function firstTemplate(rpc: string): string | undefined {
  const method = compliance.methods.find(({ name }) => name === rpc)
  return method && httpBindings(method)[0]?.template.source
}

gaxTest('a trailing resource of several segments comes back with google-gax', async (t) => {
  const { ask } = await serveCompliance(t)
  const { repeat } = await complianceClient(ask['HTTP/1.1'])
  for (const rest of ['greetings', 'greetings/hello/world', 'with space/and%/ünï']) {
    const info = { fString: 'first/hello', fChild: { fString: `second/${rest}` }, pBool: true }
    t.match(await repeat('RepeatDataPathTrailingResource', { info }), {
      request: { info },
      bindingUri: firstTemplate('RepeatDataPathTrailingResource'),
    })
  }
})

gaxTest('a request whose body field is empty reaches its method with google-gax', async (t) => {
  const { ask } = await serveCompliance(t)
  const { repeat } = await complianceClient(ask['HTTP/1.1'])
  t.match(await repeat('RepeatDataBodyInfo', { name: 'empty' }), { request: { name: 'empty' } })
})

for (const [name, options] of suiteOptions)
  gaxTest(`known and unknown enum values go both ways with google-gax ${name}`, async (t) => {
    const { ask } = await serveCompliance(t)
    const { calls } = await complianceClient(ask['HTTP/1.1'], options)
    const known = await calls.GetEnum?.({ unknownEnum: false })
    t.match(known, { continent: 'AUSTRALIA', request: { unknownEnum: false } })
    t.match(await calls.VerifyEnum?.({ ...known }), { continent: 'AUSTRALIA' })
    const unknown = await calls.GetEnum?.({ unknownEnum: true })
    t.match(unknown, { continent: UNKNOWN, request: { unknownEnum: true } })
    t.match(await calls.VerifyEnum?.({ ...unknown }), { continent: UNKNOWN })
    const refused = t.rejects(async () => void (await calls.VerifyEnum?.({ continent: 'EUROPE' })))
    t.match(await refused, { message: 'the continent is 5' })
  })

test('every bad value of a field is refused in path, query and body by its name', async (t) => {
  const { ask } = await serveCompliance(t)
  for (const [field, value] of suite.badFields) {
    const target = `/v1beta1/repeat:query?info.${field}=${encodeURIComponent(value)}`
    const { status, body } = await ask['HTTP/1.1']({ target })
    t.equal(status, 400, `${field}=${value}`)
    t.match(JSON.parse(body), {
      code: 400,
      reason: 'INVALID_PARAMETER',
      metadata: { [`info.${field}`]: String },
    })
  }
})

for (const protocol of protocols)
  test(`the forms of the system parameter alt are told from parameters over ${protocol}`, async (t) => {
    const { ask } = await serveCompliance(t)
    for (const { query, rest, int, error } of suite.alt)
      await t.test(`alt: ${query}`, async (t) => {
        const target = `/v1beta1/compliance/enum?${query}`
        const { status, body } = await ask[protocol]({ target })
        const answer = JSON.parse(body) as { continent: unknown; metadata: Record<string, string> }
        if (error) t.equal(status, 400, body)
        else if (rest !== undefined) t.strictSame(Object.keys(answer.metadata), [rest], body)
        else t.equal(answer.continent, int ? AUSTRALIA : 'AUSTRALIA', body)
      })
  })
