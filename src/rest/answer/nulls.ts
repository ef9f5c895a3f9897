import { type DescField, type DescMessage, isFieldSet, type Message } from '@bufbuild/protobuf'
import type { JsonObject, JsonValue } from '@bufbuild/protobuf'
import { FeatureSet_FieldPresence } from '@bufbuild/protobuf/wkt'
import { getField } from '../field-path.ts'
import { isObject } from '../../text/json-object.ts'

const holders = new WeakMap<DescMessage, boolean>()

/**
 * Whether toJson may leave out fields of a message that Go's protojson with EmitUnpopulated writes
 * as null: unset messages and unset fields with presence that are neither `optional` nor in a
 * oneof.
 */
export function mayLackNulls(desc: DescMessage): boolean {
  const known = holders.get(desc)
  if (known !== undefined) return known
  const reachable = new Set([desc])
  for (const each of reachable)
    for (const { message } of each.fields)
      if (message && !isWellKnown(message)) reachable.add(message)
  const lacks = [...reachable].some(({ fields }) => fields.some(isNullable))
  holders.set(desc, lacks)
  return lacks
}

/** Adds the nulls that protobuf-es's toJson leaves out to `json`, the JSON of `message`. */
export function addNulls(desc: DescMessage, message: Message, json: JsonValue | undefined): void {
  if (isWellKnown(desc) || !mayLackNulls(desc) || !isObject(json)) return
  for (const field of desc.fields) {
    if (isFieldSet(message, field)) descend(field, getField(message, [field]), json)
    else if (isNullable(field)) json[field.jsonName] = null
  }
}

function descend(field: DescField, value: unknown, json: JsonObject): void {
  const { message } = field
  const inJson = json[field.jsonName]
  if (message === undefined || isWellKnown(message)) return
  if (field.fieldKind === 'message') addNulls(message, value as Message, inJson)
  else if (field.fieldKind === 'list' && Array.isArray(inJson))
    for (const [index, each] of (value as Message[]).entries())
      addNulls(message, each, inJson[index])
  else if (field.fieldKind === 'map' && isObject(inJson))
    for (const [key, each] of Object.entries(value as Record<string, Message>))
      addNulls(message, each, inJson[key])
}

/** Whether a field that is unset is null in an answer with default values. */
export function isNullable(field: DescField): boolean {
  const singular = field.fieldKind !== 'list' && field.fieldKind !== 'map'
  if (!singular || field.oneof !== undefined || field.proto.proto3Optional) return false
  return field.presence !== FeatureSet_FieldPresence.IMPLICIT
}

function isWellKnown({ typeName }: DescMessage): boolean {
  return typeName.startsWith('google.protobuf.')
}
