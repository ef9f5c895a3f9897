type Json = null | boolean | number | string | Json[] | { [name: string]: Json }

/** Whether a value is a JSON object, and neither a list nor null. */
export function isObject(value: unknown): value is Record<string, Json> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
