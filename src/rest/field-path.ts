import { create } from '@bufbuild/protobuf'
import type { DescField, DescMessage, Message } from '@bufbuild/protobuf'

/** The fields that a path such as `book.name` walks, by proto or JSON names; undefined if none. */
export function resolvePath(desc: DescMessage, path: string): DescField[] | undefined {
  const fields: DescField[] = []
  let message: DescMessage | undefined = desc
  for (const name of path.split('.')) {
    const field: DescField | undefined = message?.fields.find(
      (each) => each.name === name || each.jsonName === name,
    )
    if (field === undefined) return undefined
    fields.push(field)
    message = field.fieldKind === 'message' ? field.message : undefined
  }
  return fields
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
  let owner = message as unknown as Properties
  for (const field of path.slice(0, -1)) {
    if (field.message === undefined) return
    const nested = getOwn(owner, field) ?? create(field.message)
    setOwn(owner, field, nested)
    owner = nested as Properties
  }
  const field = path.at(-1)
  if (field?.fieldKind === 'list') (owner[field.localName] as unknown[]).push(value)
  else if (field) setOwn(owner, field, value)
}

/** The member of the field's oneof that is set instead of it, if any. */
export function rivalOf(message: Message, path: readonly DescField[]): string | undefined {
  const field = path.at(-1)
  if (!field?.oneof) return undefined
  const owner = getField(message, path.slice(0, -1)) as Properties | undefined
  const set = (owner?.[field.oneof.localName] as OneofValue | undefined)?.case
  return set === undefined || set === field.localName ? undefined : set
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
