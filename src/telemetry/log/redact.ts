const secret = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  'password',
  'token',
  'name',
  'email',
  'phone',
])
const censor = '***'
const maxDepth = 4

/**
 * Replaces the values of personal and secret keys by `***`, whatever the case of the key, down to four
 * levels. Gives the same object where there is nothing to hide. `depth` is the level of `fields`.
 */
export function redacted(fields: Record<string, unknown>, depth = 0): Record<string, unknown> {
  let copy: Record<string, unknown> | undefined
  for (const key in fields) {
    const value = fields[key]
    const shown = secret.has(key.toLowerCase()) ? censor : inside(value, depth)
    if (shown !== value) (copy ??= { ...fields })[key] = shown
  }
  return copy ?? fields
}

function inside(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null || depth === maxDepth) return value
  if (Array.isArray(value)) {
    const items = value.map((item: unknown) => inside(item, depth + 1))
    return items.some((item, index) => item !== value[index]) ? items : value
  }
  return redacted(value as Record<string, unknown>, depth + 1)
}
