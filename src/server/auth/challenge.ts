import { Code, type ConnectError } from '@connectrpc/connect'
import { refusal } from '../../call/refusal.ts'

/**
 * The refusal of a call without usable credentials: 401 with the challenge of RFC 6750, section 3,
 * which has no error code where the call has no credentials at all.
 */
export function unauthorized(message: string, sent = true): ConnectError {
  const challenge = sent ? 'Bearer error="invalid_token"' : 'Bearer'
  return refusal(Code.Unauthenticated, 'UNAUTHORIZED', message, {
    headers: { 'www-authenticate': challenge },
  })
}

/** The refusal of a caller that is known and lacks scopes: 403, whose metadata has the scopes. */
export function forbidden(missing: readonly string[]): ConnectError {
  const scope = missing.join(' ')
  return refusal(Code.PermissionDenied, 'FORBIDDEN', `the caller lacks the scope ${scope}`, {
    metadata: { scope },
    headers: { 'www-authenticate': `Bearer error="insufficient_scope", scope="${scope}"` },
  })
}

/** A token cannot be judged, since its issuer cannot be reached: 503, so that the client tries again. */
export function issuerUnavailable(cause: unknown): ConnectError {
  const message = 'the token cannot be checked: the keys of its issuer cannot be had'
  return refusal(Code.Unavailable, 'AUTH_UNAVAILABLE', message, { cause })
}
