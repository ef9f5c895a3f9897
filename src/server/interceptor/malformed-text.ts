import { type DescField, type DescMessage, type Message, ScalarType } from '@bufbuild/protobuf'
import type { FieldViolation } from '../../biz/error.ts'

const rule = 'must be Unicode text without U+0000 and without lone surrogates'

interface Within {
  /** Those of the message that are looked at. */
  fields?: readonly DescField[]
  /** What stands before the path of each. */
  prefix?: string
  /** Whether a text can be stored, or at least sent on. */
  accepts?: (text: string) => boolean
}

/**
 * Finds string fields that databases and other languages cannot store unchanged, each with its path.
 * JSON can escape lone surrogates, which no rule of protovalidate can exclude.
 */
export function malformedText(
  desc: DescMessage,
  message: Message,
  { fields = desc.fields, prefix = '', accepts = storable }: Within = {},
): FieldViolation[] {
  const found: FieldViolation[] = []
  for (const field of fields) {
    if (field.fieldKind === 'scalar' && field.scalar !== ScalarType.STRING) continue
    const path = prefix + field.name
    const nested = field.fieldKind === 'scalar' ? undefined : field.message
    for (const value of valuesOf(field, message)) {
      if (typeof value === 'string') {
        if (!accepts(value)) found.push({ field: path, rule })
      } else if (nested) {
        const within = { prefix: `${path}.`, accepts }
        // One by one: a message may have more than a call can take as arguments.
        for (const each of malformedText(nested, value as Message, within)) found.push(each)
      }
    }
  }
  return found
}

function storable(text: string): boolean {
  return encodable(text) && !text.includes('\0')
}

/** Whether a text can be sent as it is: lone surrogates have no UTF-8. */
export function encodable(text: string): boolean {
  return text.isWellFormed()
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
