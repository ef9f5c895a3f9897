import { bodyTypes } from '../request/body-types.ts'
import { lineTypes, mergePatchType } from '../media-type.ts'
import type { HttpBinding } from '../route/rules.ts'
import { answerBodyPath, hasHttpBody, requestBodyPath } from '../stream/http-body.ts'
import { jsonContent } from './failures.ts'
import type { Schema } from './scalar-schema.ts'

/** A body of any type: OpenAPI 3.1 has no schema for bytes. */
const bytes: Schema = { '*/*': {} }

/** Whether request and answer of a binding are one JSON message each. */
export function isOfMessages(binding: HttpBinding): boolean {
  return binding.method.methodKind === 'unary' && !hasHttpBody(binding)
}

/** The contents of the answer, by type; `schemaOf` makes the schema of its message. */
export function answerContent(binding: HttpBinding, schemaOf: () => Schema): Schema {
  if (answerBodyPath(binding)) return bytes
  const schema = schemaOf()
  if (binding.method.methodKind !== 'server_streaming') return jsonContent(schema)
  // A body of several messages has no schema in OpenAPI 3.1; that of each message is given.
  const each = { schema, 'x-stream': true }
  return {
    ...jsonContent({ type: 'array', items: schema }),
    'application/x-ndjson': each,
    'text/event-stream': each,
  }
}

/** The contents of the request's body, by type; `schema` is that of its message. */
export function requestContent(binding: HttpBinding, schema: Schema): Schema {
  if (requestBodyPath(binding)) return bytes
  const streams = binding.method.methodKind === 'client_streaming'
  // Forms have the parameters of a query, which no schema of the body describes.
  const types = bodyTypes(binding)
    .list.split(', ')
    .filter((type) => type !== 'application/x-www-form-urlencoded')
  const contents = types.map((type) => {
    // Its nulls, at any depth, are not those of the message.
    if (type === mergePatchType) return [type, { schema: { type: 'object' } }]
    if (!streams) return [type, { schema }]
    const isLines = lineTypes.includes(type)
    return [
      type,
      isLines ? { schema, 'x-stream': true } : { schema: { type: 'array', items: schema } },
    ]
  })
  return Object.fromEntries(contents) as Schema
}
