/** The content type of a JSON merge patch (RFC 7396). */
export const mergePatchType = 'application/merge-patch+json'

/** How a body is read: as JSON, as an HTML form, or as a JSON merge patch (RFC 7396). */
export type BodyFormat = 'json' | 'form' | 'merge-patch'

/** The content types that a method accepts for bodies, and the answer header that lists them. */
export interface BodyTypes {
  header: 'Accept-Post' | 'Accept-Patch'
  list: string
}

/** The content types that every method with a body accepts. */
export const commonTypes: BodyTypes = {
  header: 'Accept-Post',
  list: 'application/json, application/protojson, application/x-www-form-urlencoded',
}

/** Bodies with one JSON message a line. */
export const lineTypes = ['application/x-ndjson', 'application/jsonl']

/** The content types of a body with many messages. */
export const streamedTypes: BodyTypes = {
  header: 'Accept-Post',
  list: [...lineTypes, 'application/json', 'application/protojson'].join(', '),
}

/**
 * The format of a body by its Content-Type header; undefined for a type that `list` lacks or a
 * charset other than UTF-8.
 */
export function bodyFormat(
  contentType: string | undefined,
  { list }: BodyTypes,
): BodyFormat | undefined {
  if (contentType === 'application/json') return 'json'
  const [type = '', ...parameters] = (contentType ?? '').split(';').map((part) => part.trim())
  const charset = parameters.map(charsetOf).find((each) => each !== undefined)
  if (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8') return undefined
  const name = type.toLowerCase()
  if (!list.split(', ').includes(name)) return undefined
  if (name === mergePatchType) return 'merge-patch'
  return name === 'application/x-www-form-urlencoded' ? 'form' : 'json'
}

function charsetOf(parameter: string): string | undefined {
  const equals = parameter.indexOf('=')
  if (parameter.slice(0, equals).trim().toLowerCase() !== 'charset') return undefined
  return parameter
    .slice(equals + 1)
    .trim()
    .replaceAll('"', '')
    .toLowerCase()
}
