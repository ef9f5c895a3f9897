import {
  type DescEnum,
  type DescField,
  type DescMessage,
  type JsonValue,
  type Registry,
  ScalarType,
} from '@bufbuild/protobuf'
import { hasCustomJsonRepresentation, isWrapperDesc } from '@bufbuild/protobuf/wkt'
import { nearest } from '../../text/nearest.ts'
import { fieldNamed } from './field-named.ts'
import type { ExactJson, ExactObject } from './json.ts'
import { InvalidJson, type Place, scalarFromJson } from './json-scalar.ts'
import { readText } from './text-message.ts'

/** How messages are read from JSON. */
interface FieldOptions {
  /** Messages that google.protobuf.Any may hold, and extensions. */
  registry?: Registry | undefined
  ignoreUnknownFields?: boolean | undefined
}

// The depth to which protobuf-es reads messages; it refuses deeper ones.
const maxDepth = 100

/**
 * Gives the JSON of a message with each number as protobuf-es has to get it, by what its field is: an
 * integer of 64 bits exact, any other as a number. Throws InvalidJson for a value that its field cannot
 * have, in the same words for all ports. protobuf-es may still refuse the result.
 */
export function fieldsFromJson(
  desc: DescMessage,
  json: ExactJson,
  options: FieldOptions,
  place?: Place,
): ExactJson {
  if (hasCustomJsonRepresentation(desc)) return wellKnownFromJson(desc, json, options, place)
  const object = objectOf(json, place)
  if (depthOf(place) > maxDepth) return object
  for (const name of Object.keys(object)) {
    const value = object[name] as ExactJson
    const field = fieldNamed(desc, name) ?? extensionNamed(name, options)
    if (field !== undefined) {
      if (value !== null)
        replace(object, name, fieldFromJson(field, value, options, { name, in: place }))
    } else if (!options.ignoreUnknownFields) throw unknownName(desc, { name, in: place })
  }
  return object
}

function wellKnownFromJson(
  desc: DescMessage,
  json: ExactJson,
  options: FieldOptions,
  place: Place | undefined,
): ExactJson {
  if (isWrapperDesc(desc)) return scalarFromJson(desc.fields[0].scalar, json, place)
  if (freeTypes.has(desc.typeName)) return freeJson(json, place)
  if (desc.typeName === 'google.protobuf.Any') return anyFromJson(json, options, place)
  return textFromJson(desc, json, place)
}

const freeTypes = new Set(['Struct', 'Value', 'ListValue'].map((name) => `google.protobuf.${name}`))

function depthOf(place: Place | undefined): number {
  let depth = 0
  for (let at = place; at !== undefined; at = at.in) depth += 1
  return depth
}

function objectOf(json: ExactJson, place: Place | undefined): ExactObject {
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json
  throw new InvalidJson('must be an object', place)
}

function replace(object: ExactObject, name: string, value: ExactJson): void {
  if (object[name] === value) return
  if (name !== '__proto__') object[name] = value
  // An assignment would change the prototype.
  else Object.defineProperty(object, name, { value, enumerable: true })
}

function extensionNamed(name: string, { registry }: FieldOptions): DescField | undefined {
  if (!name.startsWith('[') || !name.endsWith(']')) return undefined
  const extension = registry?.getExtension(name.slice(1, -1))
  // An extension has the properties of a field that are read here.
  return extension as DescField | undefined
}

function unknownName({ name: message, fields }: DescMessage, place: Place): InvalidJson {
  const names = fields.map(({ name }) => name)
  const meant = nearest(String(place.name), names)
  const hint = meant ? `; did you mean ${meant}?` : ''
  return new InvalidJson(`is not known${hint}; ${message} has ${names.join(', ')}`, place)
}

function fieldFromJson(
  field: DescField,
  json: ExactJson,
  options: FieldOptions,
  place: Place,
): ExactJson {
  if (field.fieldKind === 'list') {
    if (!Array.isArray(json)) throw new InvalidJson('must be an array', place)
    return json.map((each, at) => valueFromJson(field, each, options, { name: at, in: place }))
  }
  if (field.fieldKind !== 'map') return valueFromJson(field, json, options, place)
  const object = objectOf(json, place)
  for (const name of Object.keys(object)) {
    const at = { name, in: place, isKey: true }
    scalarFromJson(field.mapKey, mapKey(field, name), at)
    replace(object, name, valueFromJson(field, object[name] as ExactJson, options, at))
  }
  return object
}

/** JSON has the keys of all maps as strings. */
function mapKey({ mapKey }: DescField & { fieldKind: 'map' }, name: string): ExactJson {
  if (mapKey !== ScalarType.BOOL) return name
  return name === 'true' || (name === 'false' ? false : name)
}

/** One value, or one of a list or a map. */
function valueFromJson(
  field: DescField,
  json: ExactJson,
  options: FieldOptions,
  place: Place,
): ExactJson {
  const { message, enum: values, scalar } = field
  if (message) return json === null ? json : fieldsFromJson(message, json, options, place)
  if (values) return enumFromJson(values, json, options, place)
  return scalar === undefined ? json : scalarFromJson(scalar, json, place, field)
}

function enumFromJson(
  desc: DescEnum,
  json: ExactJson,
  { ignoreUnknownFields }: FieldOptions,
  place: Place,
): ExactJson {
  if (typeof json === 'string') {
    if (ignoreUnknownFields) return json
    if (desc.values.some(({ name, jsonName }) => name === json || jsonName === json)) return json
  } else if (json === null || isOf(desc, json)) return json
  throw new InvalidJson(`must be one of ${desc.values.map(({ name }) => name).join(', ')}`, place)
}

function isOf({ open, value }: DescEnum, json: ExactJson): boolean {
  if (typeof json !== 'number') return false
  return open ? json === Math.trunc(json) && json >= -(2 ** 31) && json < 2 ** 31 : json in value
}

/** Any JSON, in which a number is a double. */
function freeJson(json: ExactJson, place: Place | undefined): ExactJson {
  if (typeof json === 'bigint' || typeof json === 'number') {
    if (Number.isFinite(Number(json))) return Number(json)
    throw new InvalidJson('must be a number in range', place)
  }
  if (typeof json === 'string') return scalarFromJson(ScalarType.STRING, json, place)
  if (typeof json !== 'object' || json === null || depthOf(place) > maxDepth) return json
  if (Array.isArray(json)) return json.map((each, at) => freeJson(each, { name: at, in: place }))
  for (const name of Object.keys(json)) {
    scalarFromJson(ScalarType.STRING, name, { name, in: place, isKey: true })
    replace(json, name, freeJson(json[name] as ExactJson, { name, in: place }))
  }
  return json
}

function anyFromJson(json: ExactJson, options: FieldOptions, place: Place | undefined): ExactJson {
  const object = objectOf(json, place)
  const { '@type': url, ...fields } = object
  const desc = typeof url === 'string' ? options.registry?.getMessage(typeNameOf(url)) : undefined
  if (desc === undefined || url === undefined) return object
  if (!hasCustomJsonRepresentation(desc))
    return Object.assign(fieldsFromJson(desc, fields, options, place) as ExactObject, {
      '@type': url,
    })
  const { value } = fields
  if (value === undefined) return object
  return { '@type': url, value: fieldsFromJson(desc, value, options, { name: 'value', in: place }) }
}

function typeNameOf(url: string): string {
  return url.slice(url.lastIndexOf('/') + 1)
}

const textRules: Record<string, string> = {
  'google.protobuf.Timestamp': 'must be an RFC 3339 time such as 2026-01-31T12:00:00Z',
  'google.protobuf.Duration': 'must be seconds with the unit s, such as 1.5s',
  'google.protobuf.FieldMask': 'must be field paths such as name,address.city',
}

/** A message that JSON has as a text. */
function textFromJson(desc: DescMessage, json: ExactJson, place: Place | undefined): ExactJson {
  const rule = textRules[desc.typeName]
  if (rule === undefined || isMask(desc, json)) return json
  if (readText(desc, json as JsonValue) === undefined) throw new InvalidJson(rule, place)
  return json
}

/**
 * Whether this is a mask that protobuf-es reads. It makes a text of each path, of which a request may have
 * ten thousands, and reads them again after this; what it refuses is an underscore.
 */
function isMask({ typeName }: DescMessage, json: ExactJson): boolean {
  return typeName === 'google.protobuf.FieldMask' && typeof json === 'string' && !json.includes('_')
}
