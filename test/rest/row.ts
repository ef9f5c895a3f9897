import { type JsonObject, type Message, toJson } from '@bufbuild/protobuf'
import type { HandlerContext } from '@connectrpc/connect'
import { test, type Test } from 'tap'
import type { RestPluginOptions } from '../../src/rest/options.ts'
import type { RawAnswer } from '../e2e/raw.ts'
import { protocols, serveRest } from './listen.ts'
import { compileSchema, type Schema } from './schema.ts'

/** What is sent, and what must come of it. */
export interface Step {
  /** 'METHOD target', the target as on the wire. */
  send: string
  headers?: Record<string, string>
  body?: string
  status: number
  /** The method that is called. */
  to?: string
  /** The message that it is given, default values left out. */
  got?: JsonObject
  /** Headers of the answer; null = must not be there. */
  answer?: Record<string, string | null>
  /** A part of the answer's JSON. */
  json?: object
  /** The answer's body as it stands. */
  text?: string
}

/** Rules of a service of its own, and what its requests lead to. */
export interface Row {
  messages?: Record<string, string>
  enums?: Record<string, string[]>
  /** By method name: its rule. Each takes and gives `Item`. */
  rules: Record<string, JsonObject>
  options?: Partial<RestPluginOptions>
  handler?: (message: Message, context: HandlerContext) => object
  steps: Step[]
}

const item = {
  Item: 'string id; string parent; int64 count; bool flag; Shade shade; repeated string tags; Part part; google.protobuf.FieldMask update_mask; optional string nick; one/string left; one/string right',
  Part: 'string name; Part part; string etag',
}
const shades = { Shade: ['SHADE_UNSPECIFIED', 'DARK', 'LIGHT'] }
/** The headers of a body in JSON. */
export const json = { 'Content-Type': 'application/json' }

/** A part of the refusal of one parameter. */
export const violation = (name: string) => ({
  json: { code: 400, reason: 'INVALID_PARAMETER', metadata: { [name]: String } },
})

function schemaOf({ messages = item, enums = shades, rules }: Row): Schema {
  const methods = Object.entries(rules).map(
    ([name, rule]): [string, [string, string, JsonObject]] => [name, ['Item', 'Item', rule]],
  )
  return { messages, enums, methods: Object.fromEntries(methods) }
}

/** Serves a row and records the calls that arrive. */
export async function serveRow(t: Test, row: Row) {
  const { service } = compileSchema(schemaOf(row))
  const calls: { to: string; got: unknown }[] = []
  const handlers = service.methods.map(({ name, localName, input }) => [
    localName,
    (message: Message, context: HandlerContext) => {
      calls.push({ to: name, got: toJson(input, message) })
      return row.handler?.(message, context) ?? {}
    },
  ])
  const { ask } = await serveRest(t, {
    routes: (router) => router.service(service, Object.fromEntries(handlers) as never),
    ...row.options,
  })
  return { ask, calls }
}

function check(
  t: Test,
  step: Step,
  answer: RawAnswer,
  call: { to: string; got: unknown } | undefined,
) {
  const what = `${step.send} ${step.body ?? ''} → ${answer.status} ${answer.body}`
  t.equal(answer.status, step.status, what)
  if (step.status >= 400 && step.text === undefined)
    t.match(JSON.parse(answer.body), {
      code: step.status,
      reason: String,
      message: String,
      metadata: Object,
    })
  if (step.to !== undefined) t.equal(call?.to, step.to, what)
  if (step.got !== undefined) t.strictSame(call?.got, step.got, what)
  if (step.json !== undefined) t.match(JSON.parse(answer.body), step.json, what)
  if (step.text !== undefined) t.equal(answer.body, step.text, what)
  for (const [name, value] of Object.entries(step.answer ?? {}))
    t.equal(answer.headers.get(name), value, `${name} of ${what}`)
}

/** One test for each row and version of HTTP. */
export function testRows(rows: Record<string, Row>): void {
  for (const protocol of protocols)
    for (const [topic, row] of Object.entries(rows))
      test(`${topic} (${protocol})`, async (t) => {
        const { ask, calls } = await serveRow(t, row)
        for (const step of row.steps) {
          const [method = '', target = ''] = step.send.split(' ')
          const { headers, body } = step
          const answer = await ask[protocol]({
            method,
            target,
            ...(headers && { headers }),
            ...(body !== undefined && { body }),
          })
          check(t, step, answer, calls.pop())
        }
      })
}
