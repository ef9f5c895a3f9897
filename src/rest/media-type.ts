/** The content types of bodies, for Accept-Post. */
export const acceptedTypes =
  'application/json, application/protojson, application/x-www-form-urlencoded'

export type BodyFormat = 'json' | 'form'

/** What a Content-Type says of a body in UTF-8; undefined for what is not read here. */
export function bodyFormat(contentType: string | undefined): BodyFormat | undefined {
  if (contentType === 'application/json') return 'json'
  const [type = '', ...parameters] = (contentType ?? '').split(';').map((part) => part.trim())
  const charset = parameters.map(charsetOf).find((each) => each !== undefined)
  if (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8') return undefined
  const name = type.toLowerCase()
  if (name === 'application/x-www-form-urlencoded') return 'form'
  if (name === 'application/json' || name === 'application/protojson') return 'json'
  const suffixed = name.startsWith('application/') && name.endsWith('+json') && !name.includes(' ')
  return suffixed && name.length > 'application/+json'.length ? 'json' : undefined
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
