import { unescapeSegment } from '../route/unescape.ts'
import { malformedUrl } from '../errors.ts'

/** One parameter, percent-decoded. */
export interface QueryParameter {
  key: string
  value: string
}

/** Reads a query string; `+` is a space, as HTML forms write it. Throws MALFORMED_URL. */
export function parseQuery(query: string): QueryParameter[] {
  if (query === '') return []
  return query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const equals = pair.indexOf('=')
      const [key, value] =
        equals === -1 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)]
      return { key: decode(key), value: decode(value) }
    })
}

function decode(text: string): string {
  const decoded = unescapeSegment(text.replaceAll('+', ' '))
  if (decoded === undefined) throw malformedUrl()
  return decoded
}
