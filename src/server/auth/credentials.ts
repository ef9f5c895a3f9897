import type { Request } from '../exchange/exchange.ts'
import { unauthorized } from './challenge.ts'

/** What a call proves its caller by. */
type Credentials = { token: string } | { key: string } | { peer: Request }

const wanted =
  'send Authorization: Bearer with a token, x-api-key with a key, or a client certificate'

/** A token may have these characters (RFC 6750, section 2.1), and a key none beside them. */
const readable = /^[\w.~+/=-]{1,8192}$/

/**
 * Reads the credentials of a call. Throws UNAUTHORIZED where there are two of them, or one that
 * is no token and no key. `request` has the headers as they were sent: node drops a second
 * Authorization, and who sent it cannot be told from the first.
 */
export function credentialsOf(header: Headers, request: Request | undefined): Credentials {
  const [authorization, key] = [header.get('authorization'), header.get('x-api-key')]
  if (authorization === null && key === null) {
    if (request === undefined) throw unauthorized(`the call has no credentials: ${wanted}`, false)
    return { peer: request }
  }
  if (authorization !== null && key !== null)
    throw unauthorized('the call has both Authorization and x-api-key: send one of them')
  if (request !== undefined && isRepeated(request)) throw unauthorized('send credentials once')
  return authorization === null ? { key: keyOf(key ?? '') } : { token: tokenOf(authorization) }
}

function tokenOf(authorization: string): string {
  const [scheme = '', token = '', ...more] = authorization.split(' ')
  if (scheme.toLowerCase() !== 'bearer' || more.length > 0 || !readable.test(token))
    throw unauthorized('Authorization must be Bearer and a token of at most 8192 characters')
  return token
}

function keyOf(key: string): string {
  if (!readable.test(key)) throw unauthorized('x-api-key must be id.secret')
  return key
}

function isRepeated({ rawHeaders }: Request): boolean {
  let found = 0
  for (let index = 0; index < rawHeaders.length; index += 2)
    if (/^(?:authorization|x-api-key)$/i.test(rawHeaders[index] ?? '')) found += 1
  return found > 1
}

/** For a call with no other credentials whose connection has no certificate that is known. */
export function noCredentials() {
  return unauthorized(`the call has no credentials: ${wanted}`, false)
}
