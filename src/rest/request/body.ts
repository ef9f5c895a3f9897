import { type DescField, type DescMessage, fromJson } from '@bufbuild/protobuf'
import type { JsonObject, JsonValue, Message } from '@bufbuild/protobuf'
import { fieldNamed } from '../../call/message/field-named.ts'
import { isTooDeep } from '../../call/message/json.ts'
import { messageFromJson, notJson, type ReadOptions } from '../../call/message/json-message.ts'
import { setField } from '../field-path.ts'

/** Reads the JSON of a whole message; an empty text is the empty message. Throws MALFORMED_BODY. */
export function readMessage(desc: DescMessage, text: string, options: ReadOptions): Message {
  return messageFromJson(desc, text || '{}', options)
}

/**
 * Reads JSON as one top-level field of a message, of whatever type that field is. Throws
 * MALFORMED_BODY.
 */
export function readField(
  desc: DescMessage,
  name: string,
  text: string,
  options: ReadOptions,
): Message {
  const field = fieldNamed(desc, name)
  if (field === undefined || text === '') return fromJson(desc, {})
  if (isPlainMessage(field)) {
    const message = fromJson(desc, {})
    if (text.trim() !== 'null')
      setField(message, [field], readMessage(field.message, text, options))
    return message
  }
  refuseMembers(text)
  return messageFromJson(desc, `{${JSON.stringify(field.name)}:${text}}`, options)
}

/** A text that is no JSON value could otherwise name other fields. */
function refuseMembers(text: string): void {
  if (isTooDeep(text)) return
  try {
    JSON.parse(text)
  } catch (cause) {
    throw notJson(cause)
  }
}

/** A message whose JSON is an object of its fields, and whose errors can name them. */
function isPlainMessage(field: DescField): field is DescField & { message: DescMessage } {
  return field.fieldKind === 'message' && !field.message.typeName.startsWith('google.protobuf.')
}

// A name, or the index of an element or the key of an entry in brackets.
const steps = /\[("(?:[^"\\]|\\.)*"|[^"\]]+)\]|[^.[\]]+/gs

/** The path of a violation, such as `items[0].unit_price`, with each name as JSON gives it. */
export function sentInJson(desc: DescMessage, json: JsonValue, path: string): string {
  let within: DescMessage | undefined = desc
  let value: JsonValue | undefined = json
  return path.replace(steps, (step, key?: string) => {
    if (key !== undefined) {
      value = member(value, unquoted(key))
      return step
    }
    const field: DescField | undefined = within && fieldNamed(within, step)
    const isCamel = field && member(value, field.jsonName) !== undefined
    const given = isCamel ? field.jsonName : (field?.name ?? step)
    value = member(value, given)
    within = field?.message
    return given
  })
}

function member(json: JsonValue | undefined, name: string): JsonValue | undefined {
  if (typeof json !== 'object' || json === null || !Object.hasOwn(json, name)) return undefined
  return (json as JsonObject)[name]
}

const escapes: Record<string, string> = { n: '\n', r: '\r' }

/** The key of an entry as protobuf-es writes it in a path: without JSON's other escapes. */
function unquoted(key: string): string {
  if (!key.startsWith('"')) return key
  return key.slice(1, -1).replace(/\\(.)/g, (_, char: string) => escapes[char] ?? char)
}
