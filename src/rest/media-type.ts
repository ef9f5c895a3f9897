/** RFC 7396. */
export const mergePatchType = 'application/merge-patch+json'

export type BodyFormat = 'json' | 'form' | 'merge-patch'

/** The content types that bodies may have, and the header that lists them. */
export interface BodyTypes {
  header: 'Accept-Post' | 'Accept-Patch'
  list: string
}

/** Those of every method. */
export const commonTypes: BodyTypes = {
  header: 'Accept-Post',
  list: 'application/json, application/protojson, application/x-www-form-urlencoded',
}

/** What a Content-Type says of a body in UTF-8; undefined for what is not read here. */
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
