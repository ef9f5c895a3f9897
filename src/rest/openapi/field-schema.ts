import { create, type DescField, type DescMessage } from '@bufbuild/protobuf'
import { getExtension, ScalarType } from '@bufbuild/protobuf'
import { FieldBehavior, field_behavior } from '../../gen/google/api/field_behavior_pb.ts'
import { isNullable } from '../answer/nulls.ts'
import { setField } from '../field-path.ts'
import { fieldLimits, valueKeywords } from './field-rules.ts'
import { limited, type Schema, scalarSchemas } from './scalar-schema.ts'
import { described, type SchemaSet, type Side } from './schema-set.ts'

/** The schema of a field with its limits and description. */
export function fieldSchema(set: SchemaSet, field: DescField, side: Side): Schema {
  const { keywords, texts } = fieldLimits(field)
  const own = described(set, `${field.parent.typeName}.${field.name}`, field.deprecated)
  const description = [own.description, ...texts].filter(Boolean).join('\n')
  const isFilled = texts.length > 0 && side === 'request' && refusesEmpty(set, field)
  const schema = {
    ...limited(shape(set, field, side), { ...(isFilled && { minLength: 1 }), ...keywords }),
    ...own,
    ...(description !== '' && { description }),
    ...readWrite(field),
  }
  const nullable = side === 'answer' && set.options.emitDefaults && isNullable(field)
  return nullable ? { anyOf: [schema, { type: 'null' }] } : schema
}

/** An object of some fields of a message, of which those named are required. */
export function objectOf(
  set: SchemaSet,
  fields: readonly DescField[],
  required: readonly string[],
  side: Side,
): Schema {
  const properties = fields.map((field) => [field.jsonName, fieldSchema(set, field, side)] as const)
  return {
    type: 'object',
    properties: Object.fromEntries(properties),
    ...(required.length > 0 && { required }),
    ...(side === 'request' && exclusive(fields)),
  }
}

/** At most one member of each oneof. The properties themselves stay in the message. */
function exclusive(fields: readonly DescField[]): Schema {
  const oneofs = [...new Set(fields.flatMap(({ oneof }) => oneof ?? []))]
  const allOf = oneofs.flatMap((oneof) => {
    const members = fields.filter((field) => field.oneof === oneof)
    const one = members.map(({ jsonName }) => ({ required: [jsonName] }))
    if (one.length < 2) return []
    return [{ 'x-oneof': oneof.name, oneOf: [{ not: { anyOf: one } }, ...one] }]
  })
  return allOf.length > 0 ? { allOf } : {}
}

/** JSON names of the fields for which an empty message is refused, also by a minimum or by CEL. */
export function requiredIn({ options }: SchemaSet, desc: DescMessage): string[] {
  const { violations = [] } = options.validator.validate(desc, create(desc))
  const refused = violations.map(({ field: [first] }) => first?.kind === 'field' && first.name)
  return desc.fields
    .filter((each) => refused.includes(each.name) || behaves(each, FieldBehavior.REQUIRED))
    .map(({ jsonName }) => jsonName)
}

/** Whether a rule in CEL refuses the empty text. */
function refusesEmpty({ options }: SchemaSet, field: DescField): boolean {
  if (field.fieldKind !== 'scalar' || field.scalar !== ScalarType.STRING) return false
  const message = create(field.parent)
  setField(message, [field], '')
  const { violations = [] } = options.validator.validate(field.parent, message)
  return violations.some(
    ({ field: [first] }) => first?.kind === 'field' && first.name === field.name,
  )
}

/** The fields of a message that a side has: field_behavior may keep one out. */
export function fieldsOf(desc: DescMessage, side: Side): DescField[] {
  const absent = side === 'request' ? FieldBehavior.OUTPUT_ONLY : FieldBehavior.INPUT_ONLY
  return desc.fields.filter((field) => !behaves(field, absent))
}

function behaves({ proto: { options } }: DescField, behavior: FieldBehavior): boolean {
  return options !== undefined && getExtension(options, field_behavior).includes(behavior)
}

function readWrite(field: DescField): Schema {
  if (behaves(field, FieldBehavior.OUTPUT_ONLY)) return { readOnly: true }
  return behaves(field, FieldBehavior.INPUT_ONLY) ? { writeOnly: true } : {}
}

function shape(set: SchemaSet, field: DescField, side: Side): Schema {
  const one = valueSchema(set, field, side)
  if (field.fieldKind !== 'list' && field.fieldKind !== 'map') return one
  const value = limited(one, valueKeywords(field))
  if (field.fieldKind === 'list') return { type: 'array', items: value }
  const keys = keySchema(field.mapKey)
  return { type: 'object', additionalProperties: value, ...(keys && { propertyNames: keys }) }
}

function valueSchema(set: SchemaSet, field: DescField, side: Side): Schema {
  if (field.enum) return set.enumReference(field.enum)
  if (field.message) return set.reference(field.message, side)
  return field.scalar === undefined ? {} : scalarSchemas[field.scalar]
}

function keySchema(key: ScalarType): Schema | undefined {
  if (key === ScalarType.STRING) return undefined
  return key === ScalarType.BOOL ? { enum: ['true', 'false'] } : { pattern: '^-?[0-9]+$' }
}
