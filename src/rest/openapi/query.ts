import type { DescField, DescMessage } from '@bufbuild/protobuf'
import { hasFields, protoPath } from '../field-path.ts'
import type { HttpBinding } from '../route/rules.ts'
import { fieldSchema, fieldsOf, requiredIn } from './field-schema.ts'
import { type Schema, wellKnownSchema } from './scalar-schema.ts'
import type { SchemaSet } from './schema-set.ts'

/** The query parameters of a binding: the fields that neither its path nor its body fills. */
export function queryParameters(set: SchemaSet, { method, body, template }: HttpBinding): Schema[] {
  if (body === '*') return []
  const filled = new Set([...template.variables.map(({ name }) => name), body])
  const required = new Set(requiredIn(set, method.input))
  return queryFields(method.input, filled, [], []).map((path) =>
    parameter(set, path, path.length === 1 && required.has(path[0]?.jsonName ?? '')),
  )
}

/** The paths of fields that a query can fill. A message is not entered again inside itself. */
function queryFields(
  desc: DescMessage,
  filled: ReadonlySet<string>,
  above: readonly DescField[],
  entered: readonly DescMessage[],
): DescField[][] {
  return fieldsOf(desc, 'request').flatMap((field) => {
    const path = [...above, field]
    if (filled.has(protoPath(path)) || field.fieldKind === 'map') return []
    if (!field.message || isText(field.message)) return [path]
    const enters = field.fieldKind === 'message' && hasFields(field.message)
    if (!enters || field.message === desc || entered.includes(field.message)) return []
    return queryFields(field.message, filled, path, [...entered, desc])
  })
}

/** Whether the JSON of a message is one string, number or boolean. */
function isText(desc: DescMessage): boolean {
  const { type, anyOf } = wellKnownSchema(desc) ?? {}
  return anyOf !== undefined || (typeof type === 'string' && !['object', 'array'].includes(type))
}

function parameter(set: SchemaSet, path: readonly DescField[], required: boolean): Schema {
  const field = path.at(-1)
  const { description, deprecated, ...schema } = field ? fieldSchema(set, field, 'request') : {}
  return {
    name: path.map(({ jsonName }) => jsonName).join('.'),
    in: 'query',
    ...(required && { required }),
    ...(description !== undefined && { description }),
    ...(deprecated !== undefined && { deprecated }),
    ...(field?.fieldKind === 'list' && { style: 'form', explode: true }),
    schema,
  }
}
