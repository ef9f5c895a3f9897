import { type DescField, type DescMessage, fromJson, type JsonValue } from '@bufbuild/protobuf'
import type { Message } from '@bufbuild/protobuf'
import { fieldNamed } from '../../call/message/field-named.ts'
import { isTooDeep } from '../../call/message/json.ts'
import { messageFromJson, notJson, type ReadOptions } from '../../call/message/json-message.ts'
import { isObject } from '../../text/json-object.ts'
import { resolvePath, setField } from '../field-path.ts'

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

/** The name under which JSON gives the field at a path: its JSON name or its proto name. */
export function sentInJson(desc: DescMessage, json: JsonValue, path: string): string {
  const fields = resolvePath(desc, path)
  if (fields === undefined) return path
  let value: JsonValue | undefined = json
  const names = fields.map(({ name, jsonName }) => {
    const given = isObject(value) && Object.hasOwn(value, jsonName) ? jsonName : name
    value = isObject(value) ? value[given] : undefined
    return given
  })
  return names.join('.')
}
