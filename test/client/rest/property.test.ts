import { isDeepStrictEqual } from 'node:util'
import {
  type DescMethodUnary,
  fromJson,
  type JsonObject,
  type JsonValue,
  type Message,
  toJson,
} from '@bufbuild/protobuf'
import fc from 'fast-check'
import { test, type Test } from 'tap'
import { restTransport } from '../../../src/client/rest/transport.ts'
import { httpBindings } from '../../../src/rest/route/rules.ts'
import { serviceIn, testProtos } from '../../rest/descriptors.ts'
import { serveRest } from '../../rest/listen.ts'
import { richJson } from '../../rest/rich.ts'
import { inQuery, required } from '../../rest/rich-requests.ts'

/** Messages a method, and the seed that a failure printed: REST_RUNS=10000 REST_SEED=42. */
const runs = Number(process.env.REST_RUNS ?? 60)
const seed = Number(process.env.REST_SEED ?? Date.now() % 2 ** 31)

const echo = serviceIn(testProtos(), 'test.rest.v1.Echo')
const rich = (echo.methods[0] as DescMethodUnary).input

async function serveEcho(t: Test) {
  const received: Message[] = []
  const answer = (message: Message) => {
    received.push(message)
    return message
  }
  const methods = Object.fromEntries(echo.methods.map(({ localName }) => [localName, answer]))
  const { url: baseUrl } = await serveRest(t, {
    routes: (router) => router.service(echo, methods as never),
  })
  return { baseUrl, received }
}

function methodNamed(name: string): DescMethodUnary {
  return echo.methods.find((each) => each.name === name) as DescMethodUnary
}

/** As Go's protojson, null stands for an unset message too; of a Value it means null. */
function saidNothing(answered: JsonValue, sent: JsonObject): JsonObject {
  const { value, ...rest } = answered as JsonObject
  return value === null && !('value' in sent) ? rest : (answered as JsonObject)
}

function same(what: string, got: JsonValue, expected: JsonValue): void {
  if (isDeepStrictEqual(got, expected)) return
  throw new Error(`${what} ${JSON.stringify(got)} not ${JSON.stringify(expected)}`)
}

for (const dialect of ['kratos2', 'kratos3'] as const)
  for (const name of ['Query', 'Body', 'Path', 'Deep', 'Child', 'List', 'Map', 'Scalar'])
    test(`a random message that the client sends by the rule of ${name} arrives as it was, and comes back, in ${dialect}`, async (t) => {
      const { baseUrl, received } = await serveEcho(t)
      const transport = restTransport({ baseUrl, dialect })
      t.teardown(() => transport.close())
      const method = methodNamed(name)
      const [binding] = httpBindings(method)
      const property = fc.asyncProperty(
        richJson(rich),
        required[name] ?? fc.constant<JsonObject>({}),
        async (random, fixed) => {
          const child = { ...(random.child as JsonObject), ...(fixed.child as JsonObject) }
          const whole = { ...random, ...fixed, ...(fixed.child && { child }) }
          const sent = binding?.body === '*' ? whole : inQuery(rich, whole, binding?.body ?? '')
          const message = fromJson(rich, sent)
          const answer = await transport.unary(method, undefined, undefined, undefined, message)
          const expected = toJson(rich, message)
          same('received', toJson(rich, received.pop() as Message), expected)
          same('answered', saidNothing(toJson(rich, answer.message), sent), expected)
        },
      )
      const { failed, counterexamplePath, errorInstance } = await fc.check(property, {
        numRuns: runs,
        seed,
        interruptAfterTimeLimit: 60_000,
      })
      t.notOk(failed, `REST_SEED=${seed} path ${counterexamplePath}: ${String(errorInstance)}`)
    })
