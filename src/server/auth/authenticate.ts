import type { Identity } from '../../call/caller/identity.ts'
import type { Request } from '../exchange/exchange.ts'
import { type ApiKeys, identityOfKey } from './api-keys.ts'
import { unauthorized } from './challenge.ts'
import { credentialsOf, noCredentials } from './credentials.ts'
import type { IdentifyPeer } from './peer.ts'
import type { TokenCheck } from './token.ts'

/** The ways that callers may prove who they are; undefined: not taken. */
export interface Authorities {
  tokens: TokenCheck | undefined
  keys: (() => ApiKeys) | undefined
  peers: IdentifyPeer | undefined
}

/** Finds the caller of a call. Throws or rejects with UNAUTHORIZED or AUTH_UNAVAILABLE. */
export type Authenticate = (
  header: Headers,
  request: Request | undefined,
) => Identity | Promise<Identity>

/** Makes what finds callers by their credentials. */
export function authenticator({ tokens, keys, peers }: Authorities): Authenticate {
  return function authenticate(header, request) {
    const credentials = credentialsOf(header, request)
    if ('token' in credentials) {
      if (tokens === undefined) throw unauthorized('tokens are not taken here')
      return tokens.identify(credentials.token)
    }
    if ('key' in credentials) {
      if (keys === undefined) throw unauthorized('API keys are not taken here')
      return identityOfKey(keys(), credentials.key)
    }
    const identity = peers?.(credentials.peer)
    if (identity === undefined) throw noCredentials()
    return identity
  }
}
