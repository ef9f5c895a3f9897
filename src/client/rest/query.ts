import type { DescField, DescMessage, JsonObject, JsonValue } from '@bufbuild/protobuf'
import { Code, ConnectError } from '@connectrpc/connect'
import { hasFields } from '../../rest/field-path.ts'
import { isObject } from '../../text/json-object.ts'

/**
 * The query string of a message in its JSON form, without the question mark; '' if nothing is set.
 * Nested fields are named by their path, elements of lists repeat their name, and entries of maps
 * are `name[key]`, as Kratos reads them. A message that is set but has no fields set leaves no
 * trace. Throws invalid_argument for a value that a query cannot carry.
 */
export function queryOf(desc: DescMessage, json: JsonObject): string {
  const pairs: string[] = []
  addMessage(pairs, desc, json, '')
  return pairs.join('&')
}

function addMessage(pairs: string[], desc: DescMessage, json: JsonObject, above: string): void {
  for (const field of desc.fields) {
    const value = json[field.jsonName]
    if (value !== undefined) addField(pairs, field, value, `${above}${field.jsonName}`)
  }
}

function addField(pairs: string[], field: DescField, value: JsonValue, name: string): void {
  if (field.fieldKind === 'list' && Array.isArray(value))
    for (const each of value) addText(pairs, field, each, name)
  else if (field.fieldKind === 'map' && isObject(value))
    for (const [key, each] of Object.entries(value)) addText(pairs, field, each, `${name}[${key}]`)
  else if (field.fieldKind === 'message' && hasFields(field.message) && isObject(value))
    addMessage(pairs, field.message, value, `${name}.`)
  else addText(pairs, field, value, name)
}

function addText(pairs: string[], field: DescField, value: JsonValue, name: string): void {
  pairs.push(`${encodeURIComponent(name)}=${encodeURIComponent(textOf(field, value, name))}`)
}

/** A value of any type would lose that type as a text, and a message has no text. */
function textOf({ message }: DescField, value: JsonValue, name: string): string {
  const type = message?.typeName
  if (type === 'google.protobuf.Struct') return JSON.stringify(value)
  if (typeof value === 'string' && type !== 'google.protobuf.Value') return unicode(value, name)
  if (typeof value === 'number' || typeof value === 'boolean')
    if (type !== 'google.protobuf.Value') return String(value)
  throw unsendable(name, `is of type ${type}, which a query cannot carry`)
}

/** The text, if it has a form in UTF-8. Throws invalid_argument. `name` is its field. */
export function unicode(text: string, name: string): string {
  if (text.isWellFormed()) return text
  throw unsendable(name, 'must be Unicode text without lone surrogates')
}

/** The error of a field that cannot be sent by the method's rule. */
export function unsendable(name: string, problem: string): ConnectError {
  return new ConnectError(`${name} ${problem}`, Code.InvalidArgument)
}
