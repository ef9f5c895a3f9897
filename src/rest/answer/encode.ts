import { create, ScalarType, toJson } from '@bufbuild/protobuf'
import type { DescField, DescMessage, JsonValue, Message, Registry } from '@bufbuild/protobuf'
import { fieldNamed } from '../../call/message/field-named.ts'
import { getField, setField } from '../field-path.ts'
import { selected } from './selected.ts'
import { addNulls, mayLackNulls } from './nulls.ts'
import type { HttpBinding } from '../route/rules.ts'
import type { SystemParameters } from '../request/system-parameters.ts'

interface EncodeOptions {
  /** Writes default values, and null for unset messages, as Kratos does. */
  emitDefaults: boolean
  /** The types of message that google.protobuf.Any may hold. */
  types?: Registry | undefined
}

/** Writes a reply as JSON text, in the form that the request's system parameters ask for. */
export type Encoder = (message: Message, system: SystemParameters) => string

/** Compiles the encoder of a method's reply, or of the field that response_body names. */
export function compileEncoder(
  { method, responseBody }: HttpBinding,
  { emitDefaults, types }: EncodeOptions,
): Encoder {
  const { output } = method
  const field = fieldNamed(output, responseBody)
  const nulls = emitDefaults && mayLackNulls(output)
  const options = { alwaysEmitImplicit: emitDefaults, ...(types && { registry: types }) }
  const withNumbers = { ...options, enumAsInteger: true }

  function messageJson(message: Message, enumsAsNumbers: boolean): JsonValue {
    const json = toJson(output, message, enumsAsNumbers ? withNumbers : options)
    if (nulls) addNulls(output, message, json)
    return json
  }

  function fieldJson(reply: Message, named: DescField, enumsAsNumbers: boolean): JsonValue {
    const only = onlyField(output, named, reply)
    const json = messageJson(only, enumsAsNumbers) as Record<string, JsonValue>
    return json[named.jsonName] ?? unsetJson(named, enumsAsNumbers)
  }

  return function encode(message, { enumsAsNumbers, pretty, fields }) {
    const json = field
      ? fieldJson(message, field, enumsAsNumbers)
      : messageJson(message, enumsAsNumbers)
    const part = fields ? selected(json, fields) : json
    return pretty ? JSON.stringify(part, null, 2) : JSON.stringify(part)
  }
}

/** The JSON of a value in UTF-8. */
export function jsonBytes(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

/**
 * A copy of a message with only one of its fields, so that toJson does not write the other fields.
 */
function onlyField(desc: DescMessage, field: DescField, message: Message): Message {
  const only = create(desc)
  const own = getField(message, [field])
  const many = field.fieldKind === 'list' || field.fieldKind === 'map'
  const value = many ? own : (own ?? field.getDefaultValue())
  if (many) Object.assign(only, { [field.localName]: value })
  else if (value !== undefined) setField(only, [field], value)
  return only
}

const objects = ['google.protobuf.Struct', 'google.protobuf.Any', 'google.protobuf.Empty']

/** Whether an unset message that is the whole answer is `{}`; null if not. */
export function isEmptyObject({ typeName }: DescMessage): boolean {
  // Most well-known types have no empty value in JSON.
  return !typeName.startsWith('google.protobuf.') || objects.includes(typeName)
}

/** The JSON of an unset field, which toJson leaves out of its message's JSON. */
function unsetJson(field: DescField, enumsAsNumbers: boolean): JsonValue {
  if (field.fieldKind === 'list') return []
  if (field.fieldKind === 'map') return {}
  if (field.message) return isEmptyObject(field.message) ? {} : null
  if (field.enum) {
    const [first] = field.enum.values
    return (enumsAsNumbers ? first?.number : first?.name) ?? 0
  }
  return zero(field.scalar)
}

function zero(type: ScalarType | undefined): JsonValue {
  switch (type) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return ''
    case ScalarType.BOOL:
      return false
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return '0'
    default:
      return 0
  }
}
