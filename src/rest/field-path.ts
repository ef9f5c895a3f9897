import { create } from '@bufbuild/protobuf'
import type { DescField, DescMessage, Message } from '@bufbuild/protobuf'
import { hasCustomJsonRepresentation } from '@bufbuild/protobuf/wkt'
import { fieldNamed } from '../call/message/field-named.ts'

// Recursive messages make paths of any length; as deep as JSON may be.
const maxDepth = 100

/** The fields that a path such as `book.name` walks, by proto or JSON names; undefined if none. */
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

/** Whether a message is written as its fields; a Timestamp, say, is one text, which no path goes into. */
export function hasFields(desc: DescMessage): boolean {
  return !hasCustomJsonRepresentation(desc)
}

/** The path in proto names, whichever spelling it came in. */
export function protoPath(fields: readonly DescField[]): string {
  return fields.map(({ name }) => name).join('.')
}

type Properties = Record<string, unknown>
interface OneofValue {
  case: string | undefined
  value?: unknown
}

/** Reads a field; undefined where it or a message above it is not set. */
export function getField(message: Message, path: readonly DescField[]): unknown {
  let value: unknown = message
  for (const field of path) {
    if (value === undefined) return undefined
    value = getOwn(value as Properties, field)
  }
  return value
}

/** Sets a field, or appends to it if it is a list, and makes the messages above it. */
export function setField(message: Message, path: readonly DescField[], value: unknown): void {
  const owner = ownerOf(message, path)
  const field = path.at(-1)
  if (field?.fieldKind === 'list') (owner[field.localName] as unknown[]).push(value)
  else if (field) setOwn(owner, field, value)
}

/** The message that has the last field of a path; those on the way are made. */
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

/** The member of a oneof that is set instead of the field or of a message above it, if any. */
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

/** Adds an entry to a map field, and makes the messages above it; false if the key is there already. */
export function setEntry(
  message: Message,
  path: readonly DescField[],
  key: string,
  value: unknown,
): boolean {
  const map = ownerOf(message, path)[path.at(-1)?.localName ?? ''] as Properties
  if (Object.hasOwn(map, key)) return false
  // A key may be `__proto__`.
  Object.defineProperty(map, key, {
    value,
    enumerable: true,
    writable: true,
    configurable: true,
  })
  return true
}

function getOwn(owner: Properties, field: DescField): unknown {
  if (!field.oneof) return owner[field.localName]
  const choice = owner[field.oneof.localName] as OneofValue
  return choice.case === field.localName ? choice.value : undefined
}

function setOwn(owner: Properties, field: DescField, value: unknown): void {
  if (field.oneof) owner[field.oneof.localName] = { case: field.localName, value }
  else owner[field.localName] = value
}
