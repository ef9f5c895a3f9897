import { create } from '@bufbuild/protobuf'
import type { DescField, DescMessage, Message } from '@bufbuild/protobuf'
import { hasCustomJsonRepresentation } from '@bufbuild/protobuf/wkt'
import { fieldNamed } from '../call/message/field-named.ts'

// Recursive messages allow paths of any length. The limit is the one that JSON bodies have.
const maxDepth = 100

/**
 * The fields along a path such as `book.name`, by proto or JSON names; undefined if a name on it is
 * unknown, lies inside a field without fields, or the path is deeper than 100.
 */
export function resolvePath(desc: DescMessage, path: string): DescField[] | undefined {
  const fields: DescField[] = []
  let message: DescMessage | undefined = desc
  for (const name of path.split('.', maxDepth + 1)) {
    const field: DescField | undefined = message && fieldNamed(message, name)
    if (field === undefined || fields.length === maxDepth) return undefined
    fields.push(field)
    message = field.fieldKind === 'message' && hasFields(field.message) ? field.message : undefined
  }
  return fields
}

/**
 * Whether the JSON of a message is an object of its fields. That of a Timestamp, for one, is a
 * string.
 */
export function hasFields(desc: DescMessage): boolean {
  return !hasCustomJsonRepresentation(desc)
}

/** The path in proto names, joined by dots. */
export function protoPath(fields: readonly DescField[]): string {
  return fields.map(({ name }) => name).join('.')
}

type Properties = Record<string, unknown>
interface OneofValue {
  case: string | undefined
  value?: unknown
}

/** The value of the field at a path; undefined if it or a message above it is not set. */
export function getField(message: Message, path: readonly DescField[]): unknown {
  let value: unknown = message
  for (const field of path) {
    if (value === undefined) return undefined
    value = getOwn(value as Properties, field)
  }
  return value
}

/**
 * Sets the field at a path, or appends to it if it is a list. Creates missing messages above it.
 */
export function setField(message: Message, path: readonly DescField[], value: unknown): void {
  const owner = ownerOf(message, path)
  const field = path.at(-1)
  if (field?.fieldKind === 'list') (owner[field.localName] as unknown[]).push(value)
  else if (field) setOwn(owner, field, value)
}

/** The message that holds the last field of a path. Missing messages on the way are created. */
function ownerOf(message: Message, path: readonly DescField[]): Properties {
  let owner = message as unknown as Properties
  for (const field of path.slice(0, -1)) {
    if (field.message === undefined) throw new Error(`${field.name} has no fields`)
    const nested = getOwn(owner, field) ?? create(field.message)
    setOwn(owner, field, nested)
    owner = nested as Properties
  }
  return owner
}

/**
 * The proto name of another member that is set in the oneof of the field at a path, or in the oneof
 * of a message above it; undefined if there is none.
 */
export function rivalOf(message: Message, path: readonly DescField[]): string | undefined {
  let owner: unknown = message
  for (const field of path) {
    if (owner === undefined) return undefined
    if (field.oneof) {
      const { case: set } = (owner as Properties)[field.oneof.localName] as OneofValue
      if (set !== undefined && set !== field.localName)
        return field.oneof.fields.find(({ localName }) => localName === set)?.name
    }
    owner = getOwn(owner as Properties, field)
  }
  return undefined
}

/**
 * Adds an entry to the map field at a path and creates missing messages above it. False if the map
 * has the key already.
 */
export function setEntry(
  message: Message,
  path: readonly DescField[],
  key: string,
  value: unknown,
): boolean {
  const map = ownerOf(message, path)[path.at(-1)?.localName ?? ''] as Properties
  if (Object.hasOwn(map, key)) return false
  // An assignment would set the prototype if the key is `__proto__`.
  Object.defineProperty(map, key, {
    value,
    enumerable: true,
    writable: true,
    configurable: true,
  })
  return true
}

function getOwn(owner: Properties, field: DescField): unknown {
  // A default value of proto2 and editions is inherited from the prototype.
  if (!field.oneof)
    return Object.hasOwn(owner, field.localName) ? owner[field.localName] : undefined
  const choice = owner[field.oneof.localName] as OneofValue
  return choice.case === field.localName ? choice.value : undefined
}

function setOwn(owner: Properties, field: DescField, value: unknown): void {
  if (field.oneof) owner[field.oneof.localName] = { case: field.localName, value }
  else owner[field.localName] = value
}
