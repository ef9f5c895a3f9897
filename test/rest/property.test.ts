import { isDeepStrictEqual } from 'node:util'
import {
  type DescMethod,
  fromJson,
  type JsonObject,
  type JsonValue,
  type Message,
  toJson,
} from '@bufbuild/protobuf'
import fc from 'fast-check'
import { test, type Test } from 'tap'
import { serviceIn, testProtos } from './descriptors.ts'
import type { RawRequest } from '../e2e/raw.ts'
import { encode, type Rule } from './rich-client.ts'
import { richJson } from './rich.ts'
import { inQuery, required } from './rich-requests.ts'
import { protocols, serveRest } from './listen.ts'
import { httpBindings } from '../../src/rest/route/rules.ts'

/** Messages a method, and the seed that a failure printed: REST_RUNS=10000 REST_SEED=42. */
const runs = Number(process.env.REST_RUNS ?? 60)
const seed = Number(process.env.REST_SEED ?? Date.now() % 2 ** 31)

const echo = serviceIn(testProtos(), 'test.rest.v1.Echo')
const rich = (echo.methods[0] as DescMethod).input

async function serveEcho(t: Test) {
  const received: JsonValue[] = []
  const answer = (message: Message) => {
    received.push(toJson(rich, message))
    return message
  }
  const methods = Object.fromEntries(echo.methods.map(({ localName }) => [localName, answer]))
  const rest = await serveRest(t, { routes: (router) => router.service(echo, methods as never) })
  return { ...rest, received }
}

function ruleOf(name: string): Rule {
  const method = echo.methods.find((each) => each.name === name)
  const [binding] = method ? httpBindings(method) : []
  if (binding === undefined) throw new Error(`there is no rule of ${name}`)
  return { httpMethod: binding.httpMethod, path: binding.template.source, body: binding.body }
}

function canonical(message: JsonValue): JsonValue {
  return toJson(rich, fromJson(rich, message))
}

function same(what: string, got: JsonValue, expected: JsonValue, request: RawRequest): void {
  if (isDeepStrictEqual(got, expected)) return
  const [g, e] = [got, expected] as [JsonObject, JsonObject]
  const keys = Object.keys({ ...g, ...e }).filter((key) => !isDeepStrictEqual(g[key], e[key]))
  const fields = keys.map((key) => `${key} ${JSON.stringify(g[key])} not ${JSON.stringify(e[key])}`)
  throw new Error(`${what} ${fields.join(', ')}: ${JSON.stringify(request)}`)
}

for (const protocol of protocols)
  for (const name of ['Query', 'Body', 'Path', 'Deep', 'Child', 'List', 'Map', 'Scalar'])
    test(`a random message that a client encodes by the rule of ${name} arrives as it was over ${protocol}`, async (t) => {
      const { ask, received } = await serveEcho(t)
      const rule = ruleOf(name)
      const property = fc.asyncProperty(
        richJson(rich),
        required[name] ?? fc.constant<JsonObject>({}),
        fc.infiniteStream(fc.nat()),
        async (random, fixed, numbers) => {
          const child = { ...(random.child as JsonObject), ...(fixed.child as JsonObject) }
          const whole = { ...random, ...fixed, ...(fixed.child && { child }) }
          const message = rule.body === '*' ? whole : inQuery(rich, whole, rule.body)
          const request = encode(rich, rule, message, (below) => numbers.next().value % below)
          const { status, body } = await ask[protocol](request)
          if (status !== 200) throw new Error(`${status} ${body}\n${JSON.stringify(request)}`)
          const expected = canonical(message)
          same('received', received.pop() ?? null, expected, request)
          const all = JSON.parse(body) as JsonObject
          const { value, ...rest } = all
          // As Go's protojson, null stands for an unset message too; of a Value it means null.
          const said = value === null && !('value' in message) ? rest : all
          same('answered', canonical(said), expected, request)
        },
      )
      const { failed, counterexamplePath, errorInstance } = await fc.check(property, {
        numRuns: runs,
        seed,
        interruptAfterTimeLimit: 60_000,
      })
      t.notOk(failed, `REST_SEED=${seed} path ${counterexamplePath}: ${String(errorInstance)}`)
    })
