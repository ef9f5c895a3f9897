import { createContextKey } from '@connectrpc/connect'

/** The caller, as its credentials tell. */
export interface Identity {
  /** The subject of a token, the id of an API key, or the name in a certificate. */
  readonly id: string
  readonly kind: 'token' | 'api_key' | 'certificate'
  readonly scopes: ReadonlySet<string>
}

/** The caller of a call; undefined where nobody is asked for credentials. */
export const identityKey = createContextKey<Identity | undefined>(undefined, {
  description: 'identity of the caller',
})

/** The scopes of a list that is separated by spaces, as OAuth writes it (RFC 6749, section 3.3). */
export function scopesOf(list: string): ReadonlySet<string> {
  return new Set(list.split(/\s+/).filter((scope) => scope !== ''))
}
