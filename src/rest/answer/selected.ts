import type { JsonObject, JsonValue } from '@bufbuild/protobuf'
import type { Selection } from '../request/fields.ts'

/** The part of a JSON value that `$fields` selects. Lists are filtered element by element. */
export function selected(json: JsonValue, { whole, members }: Selection): JsonValue {
  if (whole || typeof json !== 'object' || json === null) return json
  if (Array.isArray(json)) return json.map((each) => selected(each, { whole, members }))
  const kept: JsonObject = {}
  for (const [name, member] of members) {
    if (!Object.hasOwn(json, name)) continue
    const value = selected(json[name] ?? null, member)
    Object.defineProperty(kept, name, { value, enumerable: true })
  }
  return kept
}
