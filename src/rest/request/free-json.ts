import { randomUUID } from 'node:crypto'
import type { DescMessage, JsonObject, JsonValue } from '@bufbuild/protobuf'
import { fieldNamed } from '../field-path.ts'
import { quoteUnsafeIntegers } from '../../call/json.ts'

const freeTypes = ['google.protobuf.Struct', 'google.protobuf.Value', 'google.protobuf.ListValue']

const holders = new WeakMap<DescMessage, boolean>()

/** Whether a message has room for any JSON, in which a long number is a double and not an integer. */
export function holdsFreeJson(desc: DescMessage): boolean {
  const known = holders.get(desc)
  if (known !== undefined) return known
  const reachable = new Set([desc])
  for (const each of reachable)
    for (const { message } of each.fields) if (message) reachable.add(message)
  const holds = [...reachable].some(({ typeName }) => freeTypes.includes(typeName))
  holders.set(desc, holds)
  return holds
}

/**
 * Parses the JSON of a message with its long integers as strings, except in free JSON, where they
 * stay numbers. For JSON that protobuf has found to be no deeper than it allows.
 */
export function parseFreeJson(desc: DescMessage, json: string): JsonValue {
  const mark = randomUUID()
  return restored(JSON.parse(quoteUnsafeIntegers(json, mark)) as JsonValue, desc, mark)
}

function restored(json: JsonValue, desc: DescMessage | undefined, mark: string): JsonValue {
  const free = desc !== undefined && freeTypes.includes(desc.typeName)
  if (typeof json === 'string') {
    if (!json.startsWith(mark)) return json
    const literal = json.slice(mark.length)
    if (free && !Number.isFinite(Number(literal))) throw new Error(`${literal} is out of range`)
    return free ? Number(literal) : literal
  }
  if (typeof json !== 'object' || json === null) return json
  if (Array.isArray(json)) return json.map((each) => restored(each, desc, mark))
  if (free) return restoredMembers(json, mark, desc)
  const entries = Object.entries(json).map(([key, value]) => {
    const field = desc && fieldNamed(desc, key)
    if (field?.fieldKind !== 'map' || !isObject(value))
      return [key, restored(value, field?.message, mark)] as const
    return [key, restoredMembers(value, mark, field.message)] as const
  })
  return Object.fromEntries(entries)
}

function restoredMembers(
  json: JsonObject,
  mark: string,
  desc: DescMessage | undefined,
): JsonObject {
  const entries = Object.entries(json).map(
    ([key, value]) => [key, restored(value, desc, mark)] as const,
  )
  return Object.fromEntries(entries)
}

function isObject(json: JsonValue): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}
