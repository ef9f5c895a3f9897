import { fromJson, fromJsonString } from '@bufbuild/protobuf'
import type {
  DescField,
  DescMessage,
  JsonReadOptions,
  JsonValue,
  Message,
} from '@bufbuild/protobuf'
import { fieldAtFault } from '../../call/field-at-fault.ts'
import { malformedBody } from '../errors.ts'
import { fieldNamed, resolvePath, setField } from '../field-path.ts'
import { holdsFreeJson, parseFreeJson } from './free-json.ts'
import { isTooDeep, maxJsonDepth, quoteUnsafeIntegers } from '../../call/json.ts'

/** How the JSON of bodies is read: protobuf's own options. */
export type ReadOptions = Partial<JsonReadOptions>

/** Decodes UTF-8, which RFC 8259 requires. */
export function bodyText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw malformedBody('the body is not UTF-8', { cause })
  }
}

/** Reads the JSON of a whole message; an empty text is the empty message. */
export function readMessage(desc: DescMessage, text: string, options: ReadOptions): Message {
  refuseTooDeep(text)
  return reading(() => parsed(desc, text || '{}', options))
}

function refuseTooDeep(text: string): void {
  if (isTooDeep(text)) throw malformedBody(`the JSON has more than ${maxJsonDepth} levels`)
}

/** Reads JSON as one top-level field of a message, of whatever type that field is. */
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
  refuseTooDeep(text)
  return reading(() => {
    // Alone first: a text that is no JSON value could otherwise name other fields.
    JSON.parse(text)
    return parsed(desc, `{${JSON.stringify(field.jsonName)}:${text}}`, options)
  })
}

/** A message whose JSON is an object of its fields, and whose errors can name them. */
function isPlainMessage(field: DescField): field is DescField & { message: DescMessage } {
  return field.fieldKind === 'message' && !field.message.typeName.startsWith('google.protobuf.')
}

function parsed(desc: DescMessage, text: string, options: ReadOptions): Message {
  const exact = quoteUnsafeIntegers(text)
  const message = fromJsonString(desc, exact, options)
  if (exact === text || !holdsFreeJson(desc)) return message
  return fromJson(desc, parseFreeJson(desc, text), options)
}

function reading<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause)
    throw malformedBody(message, { cause, metadata: fieldAtFault(cause) })
  }
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

export function isObject(value: unknown): value is Record<string, JsonValue> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
