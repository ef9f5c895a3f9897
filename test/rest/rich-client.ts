import {
  type DescField,
  type DescMessage,
  type JsonObject,
  type JsonValue,
  ScalarType,
} from '@bufbuild/protobuf'
import type { RawRequest } from '../e2e/raw.ts'
import { isText } from './rich.ts'

/**
 * A client's side of google/api/http.proto, written from its comments and not from src/rest: fields of
 * the template go into the path, the body field into the body, and what is left into the query. Where
 * several spellings mean the same, `pick` decides.
 */

/** Gives a number from 0 to below its argument. */
export type Pick = (below: number) => number

export interface Rule {
  httpMethod: string
  path: string
  /** '' = none, '*' = the whole message, else the field's name. */
  body: string
}

type Leaf = [path: DescField[], value: JsonValue]

/** Encodes a message, given in its JSON form, as a request by the rule. */
export function encode(desc: DescMessage, rule: Rule, message: JsonObject, pick: Pick): RawRequest {
  const rest = structuredClone(message)
  const path = rule.path.replace(/\{([^=}]+)(=[^}]+)?\}/g, (_, name: string, pattern?: string) => {
    const leaf = take(desc, rest, name.split('.'), rule.body === '*' && pick(3) === 0)
    return pathText(spell(leaf, pick), pattern, pick)
  })
  const request = { method: rule.httpMethod, target: path }
  const query = (left: JsonObject) => {
    const pairs = [...leavesOf(desc, left, [])].map((leaf) => pairOf(leaf, pick))
    return pairs.length === 0 ? path : `${path}?${pairs.join('&')}`
  }
  if (rule.body === '') return { ...request, target: query(rest) }
  const headers = {
    'Content-Type': pick(2) ? 'application/json' : 'application/protojson; charset=UTF-8',
  }
  if (rule.body === '*')
    return { ...request, headers, body: JSON.stringify(respell(desc, rest, pick)) }
  const field = desc.fields.find(({ name }) => name === rule.body)
  const { [field?.jsonName ?? '']: value, ...left } = rest
  const target = query(left)
  if (value === undefined || field === undefined) return { ...request, target }
  return { ...request, target, headers, body: JSON.stringify(respellField(field, value, pick)) }
}

/** Takes a field out of a message, or only reads it if the client says it twice. */
function take(desc: DescMessage, message: JsonObject, names: string[], twice: boolean): Leaf {
  const [name, ...below] = names
  const field = desc.fields.find((each) => each.name === name)
  if (field === undefined) throw new Error(`there is no field ${name} in ${desc.typeName}`)
  const value = message[field.jsonName]
  if (value === undefined) throw new Error(`${name} has no value for the path`)
  if (below.length > 0 && field.message) {
    const [path, leaf] = take(field.message, value as JsonObject, below, twice)
    return [[field, ...path], leaf]
  }
  if (!twice) delete message[field.jsonName]
  return [[field], value]
}

function* leavesOf(desc: DescMessage, message: JsonObject, above: DescField[]): Generator<Leaf> {
  for (const field of desc.fields) {
    const value = message[field.jsonName]
    if (value === undefined) continue
    const path = [...above, field]
    if (isText(field)) for (const each of Array.isArray(value) ? value : [value]) yield [path, each]
    else if (field.message) yield* leavesOf(field.message, value as JsonObject, path)
  }
}

function pairOf(leaf: Leaf, pick: Pick): string {
  const name = leaf[0].map((field) => (pick(2) ? field.name : field.jsonName)).join('.')
  const value = encodeURIComponent(spell(leaf, pick))
  return `${encodeURIComponent(name)}=${pick(2) ? value : value.replaceAll('%20', '+')}`
}

/** The text of a value in path or query. */
function spell([path, value]: Leaf, pick: Pick): string {
  const field = path.at(-1)
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const type = field?.message?.typeName
  if (field?.scalar === ScalarType.BYTES || type === 'google.protobuf.BytesValue')
    return base64(text, pick)
  if (field?.enum && pick(2))
    return String(field.enum.values.find(({ name }) => name === text)?.number ?? text)
  if (type === 'google.protobuf.FieldMask' && pick(2))
    return text.replace(/[A-Z]/g, (upper) => `_${upper.toLowerCase()}`)
  return text
}

/** Standard or URL-safe, padded or not. */
function base64(text: string, pick: Pick): string {
  const safe = pick(2) ? text : text.replaceAll('+', '-').replaceAll('/', '_')
  return pick(2) ? safe : safe.replace(/=+$/, '')
}

/** A variable of one segment is escaped whole; the slashes of one of several segments stay. */
function pathText(text: string, pattern: string | undefined, pick: Pick): string {
  const escape = (segment: string) =>
    pick(2) ? encodeURIComponent(segment) : segment.replace(/[^\w.~-]/gu, escaped)
  return pattern === undefined ? escape(text) : text.split('/').map(escape).join('/')
}

/** Lower-case escapes, which mean the same. */
function escaped(char: string): string {
  return [...Buffer.from(char)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
}

/** The same JSON with proto names, enum numbers and bare 64-bit integers here and there. */
function respell(desc: DescMessage, message: JsonObject, pick: Pick): JsonValue {
  const fields = desc.fields.filter(({ jsonName }) => Object.hasOwn(message, jsonName))
  return Object.fromEntries(
    fields.map((field) => [
      pick(4) ? field.jsonName : field.name,
      respellField(field, message[field.jsonName] ?? null, pick),
    ]),
  )
}

function respellField(field: DescField, value: JsonValue, pick: Pick): JsonValue {
  const { message } = field
  const own = message?.typeName.startsWith('google.protobuf.') ? undefined : message
  if (field.fieldKind === 'list')
    return (value as JsonValue[]).map((each) =>
      own ? respell(own, each as JsonObject, pick) : each,
    )
  if (field.fieldKind === 'message' && own) return respell(own, value as JsonObject, pick)
  if (field.fieldKind === 'enum' && pick(2))
    return field.enum.values.find(({ name }) => name === value)?.number ?? value
  if (field.fieldKind === 'scalar' && field.scalar === ScalarType.BYTES)
    return base64(value as string, pick)
  return value
}
