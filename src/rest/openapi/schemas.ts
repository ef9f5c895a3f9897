import type { DescEnum, DescField, DescMessage } from '@bufbuild/protobuf'
import { fieldsOf, objectOf, requiredIn } from './field-schema.ts'
import { type Schema, wellKnownSchema } from './scalar-schema.ts'
import { described, type SchemaOptions, type SchemaSet, type Side } from './schema-set.ts'

/**
 * Makes the schemas of messages as REST reads and writes them. `note` must have been called for all
 * messages of a document before `reference`, since a message of both sides has two schemas.
 */
export function schemas(options: SchemaOptions): SchemaSet {
  const components: Record<string, Schema> = {}
  const sides = new Map<string, Set<Side>>()
  const set: SchemaSet = {
    options,
    components,
    note(desc, side) {
      const known = sides.get(desc.typeName) ?? new Set<Side>()
      if (wellKnownSchema(desc) || known.has(side)) return
      sides.set(desc.typeName, known.add(side))
      for (const { message } of desc.fields) if (message) set.note(message, side)
    },
    reference(desc, side) {
      const inline = wellKnownSchema(desc)
      // A path in a query is any text until a method reads it, and an answer may repeat it.
      if (inline) return side === 'answer' && isMask(desc) ? { type: 'string' } : inline
      const both = side === 'request' && sides.get(desc.typeName)?.size === 2
      const name = both ? `${desc.typeName}.Input` : desc.typeName
      if (!(name in components)) {
        // Before its own schema, for messages that contain themselves.
        components[name] = {}
        components[name] = messageSchema(set, desc, side)
      }
      return { $ref: `#/components/schemas/${name}` }
    },
    enumReference(desc) {
      if (desc.typeName === 'google.protobuf.NullValue') return { type: 'null' }
      components[desc.typeName] ??= enumSchema(set, desc)
      return { $ref: `#/components/schemas/${desc.typeName}` }
    },
  }
  return set
}

const isMask = ({ typeName }: DescMessage) => typeName === 'google.protobuf.FieldMask'

function messageSchema(set: SchemaSet, desc: DescMessage, side: Side): Schema {
  const fields = fieldsOf(desc, side)
  const required = side === 'request' ? requiredIn(set, desc) : alwaysWritten(set, fields)
  return {
    ...objectOf(set, fields, required, side),
    ...described(set, desc.typeName, desc.deprecated),
  }
}

function alwaysWritten({ options }: SchemaSet, fields: readonly DescField[]): string[] {
  if (!options.emitDefaults) return []
  return fields
    .filter((field) => field.oneof === undefined && !field.proto.proto3Optional)
    .map(({ jsonName }) => jsonName)
}

function enumSchema(set: SchemaSet, desc: DescEnum): Schema {
  const texts = desc.values.flatMap(({ name }) => {
    const text = set.options.comments[`${desc.typeName}.${name}`]
    return text === undefined ? [] : [[name, text] as const]
  })
  return {
    type: 'string',
    enum: desc.values.map(({ name }) => name),
    ...described(set, desc.typeName, desc.deprecated),
    ...(texts.length > 0 && { 'x-enumDescriptions': Object.fromEntries(texts) }),
  }
}
