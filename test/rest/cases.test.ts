import { readFileSync } from 'node:fs'
import { type DescService, type JsonValue, type Message, toJson } from '@bufbuild/protobuf'
import { test, type Test } from 'tap'
import { unescapeMulti, unescapeSegment, type UnescapeMode } from '../../src/rest/route/unescape.ts'
import { describe, type FieldShape, type MethodShape, type Shapes } from './descriptors.ts'
import { protocols, serveRest } from './listen.ts'

/** A recorded case; each kind has some of these. */
interface Case {
  id: number
  kind: string
  source: string
  text?: string
  template: string
  valid: boolean
  templates: string[]
  method: string
  path: string
  input: string
  mode: UnescapeMode
  field: string
  value: string
  query: string
  expect: JsonValue
  /** What we answer instead of `valid` or `expect`; `note` has the reason. */
  ours?: JsonValue
  note?: string
}

const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8'))
const { cases } = read('cases.json') as { cases: Case[] }
const recorded = read('messages.json') as Required<Shapes>

/** Answers each call with nothing but tells what it was called with. */
async function serveCalls(t: Test, service: DescService) {
  const calls: { method: string; message: JsonValue }[] = []
  const implementation = Object.fromEntries(
    service.methods.map((method) => [
      method.localName,
      (message: Message) => {
        calls.push({ method: method.name, message: toJson(method.input, message) })
        return {}
      },
    ]),
  )
  const rest = await serveRest(t, {
    routes: (router) => router.service(service, implementation as never),
  })
  return { ...rest, calls }
}

/** A request message per template with a string for each of its variables, at their depth. */
function shapesOf(templates: readonly string[]): Shapes {
  const messages: Record<string, FieldShape[]> = {}
  for (const [index, template] of templates.entries()) {
    const owner = `Request${index}`
    addPath(messages, owner, [])
    for (const [, name = ''] of template.matchAll(/\{([A-Za-z_][\w.]*)[=}]/g))
      addPath(messages, owner, name.split('.'))
  }
  return { messages }
}

function addPath(messages: Record<string, FieldShape[]>, owner: string, path: string[]): void {
  const fields = (messages[owner] ??= [])
  const [name, ...rest] = path
  if (name === undefined) return
  const type = rest.length === 0 ? 'string' : `${owner}_${name}`
  if (!fields.some((field) => field.name === name))
    fields.push({ name, number: fields.length + 1, type })
  if (rest.length > 0) addPath(messages, type, rest)
}

function methodsOf(routes: readonly [httpMethod: string, template: string][]): MethodShape[] {
  return routes.map(([httpMethod, path], index) => ({
    name: `Call${index}`,
    message: `Request${index}`,
    httpMethod,
    path,
  }))
}

function serveTemplates(t: Test, routes: readonly [httpMethod: string, template: string][]) {
  const shapes = shapesOf(routes.map(([, template]) => template))
  return serveCalls(t, describe(shapes, methodsOf(routes)))
}

/** A path that the template matches, with `x` for each wildcard. */
function samplePath(template: string): string {
  return template
    .replace(/\{[^=}]+\}/g, 'x')
    .replace(/\{[^=}]+=([^}]+)\}/g, '$1')
    .replace(/\*+/g, 'x')
}

async function templateCase(t: Test, { template, valid, ours = valid }: Case): Promise<void> {
  if (ours === true) {
    const service = await serveTemplates(t, [['GET', template]])
    const target = samplePath(template)
    // What is not UTF-8 is refused by Fastify's router, before any plugin sees it.
    const status = unescapeSegment(target) === undefined ? 400 : 200
    for (const protocol of protocols)
      t.equal((await service.ask[protocol]({ target })).status, status, protocol)
    return
  }
  const refusal = await t.rejects(serveTemplates(t, [['GET', template]]))
  const { message } = refusal as Error
  t.match(
    message,
    /^cases\/v1\/cases\.proto: cases\.v1\.Cases\.Call0: path template .* column \d+: /,
  )
}

async function matchCase(t: Test, { templates, method, path, expect }: Case): Promise<void> {
  const service = await serveTemplates(
    t,
    templates.map((template) => [method, template]),
  )
  for (const protocol of protocols) {
    const { status, body } = await service.ask[protocol]({ method, target: path })
    const call = service.calls.pop()
    if (expect === null) {
      t.equal(status, 404, `${protocol}: ${body}`)
      t.equal(call, undefined, protocol)
      continue
    }
    const { template, vars } = expect as { template: string; vars: Record<string, string> }
    t.equal(status, 200, `${protocol}: ${body}`)
    t.equal(templates[Number(call?.method.slice('Call'.length))], template, protocol)
    t.strictSame(call?.message, nested(vars), protocol)
  }
}

/** {'a.b': 'x'} → {a: {b: 'x'}} */
function nested(vars: Record<string, string>): Record<string, unknown> {
  const all: Record<string, unknown> = {}
  for (const [path, value] of Object.entries(vars)) {
    const names = path.split('.')
    const last = names.pop() ?? ''
    let owner = all
    for (const name of names) owner = (owner[name] ??= {}) as Record<string, unknown>
    owner[last] = value
  }
  return all
}

async function statusCase(t: Test, { templates, method, path, expect }: Case): Promise<void> {
  const routes = templates.map((route) => route.split(' ') as [string, string])
  const service = await serveTemplates(t, routes)
  for (const protocol of protocols) {
    const answer = await service.ask[protocol]({ method, target: path })
    t.equal(answer.status, expect, protocol)
    t.match(JSON.parse(answer.body), { code: expect, reason: String, message: String })
    if (expect === 405) t.equal(answer.headers.get('allow'), 'GET, HEAD, OPTIONS', protocol)
  }
}

/** The path and the outcome of this kind stand in words. */
async function limitCase(t: Test, { templates }: Case): Promise<void> {
  const service = await serveTemplates(
    t,
    templates.map((template) => ['GET', template]),
  )
  for (const protocol of protocols) {
    const ask = (end: string) =>
      service.ask[protocol]({ target: `/a/${'/'.repeat(64_000)}/${end}` })
    t.equal((await ask('x')).status, 200, protocol)
    t.equal((await ask('y')).status, 404, protocol)
  }
}

async function unescapeCase(t: Test, { input, mode, expect }: Case): Promise<void> {
  t.equal(unescapeMulti(input, mode), expect)
}

/** GET /q on the message that the source of a case names. */
function queryService(source: string): DescService {
  const [name = ''] = /ParameterValues|Proto3Message|ComplianceData/.exec(source) ?? []
  const message = Object.keys(recorded.messages).find((each) => each.endsWith(`.${name}`)) ?? ''
  return describe(recorded, [{ name: 'Query', message, httpMethod: 'GET', path: '/q' }])
}

function encodeQuery(query: string): string {
  const pairs = query.split('&').map((pair) => {
    const equals = pair.indexOf('=')
    return [pair.slice(0, equals), pair.slice(equals + 1)].map(encodeURIComponent).join('=')
  })
  return pairs.join('&')
}

async function queryCase(t: Test, given: Case): Promise<void> {
  const { kind, source, field, value, expect, ours = expect } = given
  const query = kind === 'query' ? `${field}=${value}` : given.query
  const service = await serveCalls(t, queryService(source))
  for (const protocol of protocols) {
    const { status, body } = await service.ask[protocol]({ target: `/q?${encodeQuery(query)}` })
    const call = service.calls.pop()
    if (typeof ours === 'string') {
      t.equal(status, 400, `${protocol}: ${body}`)
      t.match(JSON.parse(body), { code: 400, reason: 'INVALID_PARAMETER' }, protocol)
      t.equal(call, undefined, protocol)
    } else {
      t.equal(status, 200, `${protocol}: ${body}`)
      t.strictSame(call?.message, ours, protocol)
    }
  }
}

const runs: Record<string, (t: Test, given: Case) => Promise<void>> = {
  template: templateCase,
  match: matchCase,
  'unescape-multi': unescapeCase,
  status: statusCase,
  limit: limitCase,
  query: queryCase,
  querystring: queryCase,
}

function titleOf({ id, kind, source, ...rest }: Case): string {
  const what = { template: rest.template, query: `${rest.field}=${rest.value}` }[kind]
  return `#${id} ${kind} ${what ?? rest.query ?? rest.path ?? rest.input} (${source})`
}

test('every recorded case is answered over HTTP/1.1 and h2c as its source, or column Ours, says', async (t) => {
  t.strictSame(
    cases.map(({ id }) => id),
    Array.from({ length: 132 }, (_, index) => index + 1),
  )
  for (const given of cases) {
    const run = runs[given.kind]
    if (run) await t.test(titleOf(given), (t) => run(t, given))
    else t.equal(given.kind, 'note', `#${given.id}`)
  }
})
