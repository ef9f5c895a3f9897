type Json = null | boolean | number | string | Json[] | { [name: string]: Json }

/** Whether a value is a JSON object, and neither a list nor null. */
export function isObject(value: unknown): value is Record<string, Json> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A value that is a text; empty if it is something else. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** The entries of an object that are texts; none if the value is no object. */
export function textsOf(value: unknown): Record<string, string> {
  const entries = Object.entries(isObject(value) ? value : {})
  return Object.fromEntries(
    entries.filter((entry): entry is [string, Json & string] => typeof entry[1] === 'string'),
  )
}
