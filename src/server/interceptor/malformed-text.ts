import type { DescField, DescMessage, Message } from '@bufbuild/protobuf'
import type { FieldViolation } from '../../biz/error.ts'

const rule = 'must be Unicode text without U+0000 and without lone surrogates'

interface Within {
  /** Those of the message that are looked at. */
  fields?: readonly DescField[]
  /** What stands before the path of each. */
  prefix?: string
}

/**
 * Finds string fields that databases and other languages cannot store unchanged, each with its path.
 * JSON can escape lone surrogates, which no rule of protovalidate can exclude.
 */
export function malformedText(
  desc: DescMessage,
  message: Message,
  { fields = desc.fields, prefix = '' }: Within = {},
): FieldViolation[] {
  return fields.flatMap((field) => {
    const path = prefix + field.name
    return valuesOf(field, message).flatMap((value) => {
      if (typeof value === 'string') return wellFormed(value) ? [] : [{ field: path, rule }]
      const nested = field.fieldKind === 'scalar' ? undefined : field.message
      return nested ? malformedText(nested, value as Message, { prefix: `${path}.` }) : []
    })
  })
}

function wellFormed(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0')
}

function valuesOf(field: DescField, message: Message): unknown[] {
  const record = message as unknown as Record<string, unknown>
  if (field.oneof) {
    const choice = record[field.oneof.localName] as { case?: string; value?: unknown }
    return choice.case === field.localName ? [choice.value] : []
  }
  const value = record[field.localName]
  if (value === undefined) return []
  if (field.fieldKind === 'list') return value as unknown[]
  if (field.fieldKind === 'map') return Object.entries(value as object).flat()
  return [value]
}
