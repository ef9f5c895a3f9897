import {
  type CryptoKey,
  errors,
  type JWTPayload,
  jwtVerify,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
} from 'jose'
import { type Identity, scopesOf } from '../../call/caller/identity.ts'
import { issuerUnavailable, unauthorized } from './challenge.ts'
import { type IssuerKeysOptions, issuerKeys } from './issuer-keys.ts'
import { tokenCache } from './token-cache.ts'

/** Which tokens are taken. */
export interface TokenOptions extends Omit<IssuerKeysOptions, 'issuer'> {
  /** Empty: only tokens by `secret` are taken. */
  issuer: string
  /** Empty: not looked at. */
  audience: string
  algorithms: string[]
  /** For HS256; empty: none. */
  secret: string
  /** Empty: any. */
  typ: string
  /** Scopes of tokens that name none. */
  defaultScopes: string
  /** How long a good token is not checked again, in milliseconds. */
  cacheMs: number
  toleranceSeconds: number
}

/** The check of tokens, as tokenCheck makes it. */
export interface TokenCheck {
  /** Gives the caller, at once if the token is known. Throws or rejects with UNAUTHORIZED or AUTH_UNAVAILABLE. */
  identify(token: string): Identity | Promise<Identity>
  /** Milliseconds since the issuer has given its keys; undefined before, and without an issuer. */
  keysAgeMs(): number | undefined
  close(): void
}

/** Makes the check of JSON Web Tokens (RFC 7519, RFC 8725). */
export function tokenCheck(options: TokenOptions, now = Date.now): TokenCheck {
  const cache = tokenCache(options.cacheMs, now)
  const keys = options.issuer === '' ? undefined : issuerKeys(options)
  const secret = options.secret === '' ? undefined : new TextEncoder().encode(options.secret)

  /** A secret is for HS256 alone: a public key must never be taken for one. */
  const keyOf: JWTVerifyGetKey = async (header, token) => {
    if (header.alg === 'HS256' && secret !== undefined) return secret
    if (keys === undefined) throw new errors.JOSEAlgNotAllowed('no issuer is configured')
    return keys.find(header, token)
  }

  async function checked(token: string): Promise<Identity> {
    const { payload, protectedHeader } = await verified(token, keyOf, options)
    // Kratos' clients sign tokens without an end by a shared secret; those of an issuer have one.
    if (payload.exp === undefined && protectedHeader.alg !== 'HS256')
      throw unauthorized("the token's exp is missing")
    const identity = identityOf(payload, options.defaultScopes)
    cache.add(token, identity, payload.exp === undefined ? undefined : payload.exp * 1000)
    return identity
  }

  return {
    identify: (token) => cache.find(token) ?? checked(token),
    keysAgeMs: () => keys?.ageMs(),
    close: () => keys?.close(),
  }
}

async function verified(token: string, keyOf: JWTVerifyGetKey, options: TokenOptions) {
  try {
    return await verifiedByAny(token, keyOf, rulesOf(options))
  } catch (err) {
    throw refusalOf(err)
  }
}

function rulesOf(options: TokenOptions): JWTVerifyOptions {
  const { issuer, audience, algorithms, typ, toleranceSeconds } = options
  return {
    algorithms,
    clockTolerance: toleranceSeconds,
    ...(issuer !== '' && { issuer }),
    ...(audience !== '' && { audience }),
    ...(typ !== '' && { typ }),
  }
}

async function verifiedByAny(token: string, keyOf: JWTVerifyGetKey, rules: JWTVerifyOptions) {
  try {
    return await jwtVerify(token, keyOf, rules)
  } catch (err) {
    if (!(err instanceof errors.JWKSMultipleMatchingKeys)) throw err
    return verifiedByOneOf(err, token, rules)
  }
}

/** Anybody can send a token that no key fits, and each key costs as much as a good token. */
const maxCandidates = 16

/** For a token that does not say which of several keys it is of. */
async function verifiedByOneOf(
  keys: errors.JWKSMultipleMatchingKeys,
  token: string,
  rules: JWTVerifyOptions,
) {
  let tried = 0
  for await (const key of keys) {
    const result = await verifiedIfFits(token, key, rules)
    if (result !== undefined) return result
    if (++tried === maxCandidates) break
  }
  throw new errors.JWSSignatureVerificationFailed()
}

/** undefined for the key of another token. Other faults are no matter of the key and are thrown. */
async function verifiedIfFits(token: string, key: CryptoKey, rules: JWTVerifyOptions) {
  try {
    return await jwtVerify(token, key, rules)
  } catch (err) {
    if (!(err instanceof errors.JWSSignatureVerificationFailed)) throw err
    return undefined
  }
}

/** Errors of the issuer and of the way to it, which say nothing about the token. */
const ofIssuer = new Set(['ERR_JOSE_GENERIC', 'ERR_JWKS_INVALID', 'ERR_JWKS_TIMEOUT'])

function refusalOf(err: unknown) {
  if (!(err instanceof errors.JOSEError) || ofIssuer.has(err.code)) return issuerUnavailable(err)
  if (err instanceof errors.JWTExpired) return unauthorized('the token has expired')
  // The claim's name is one of those above, and no input.
  if (err instanceof errors.JWTClaimValidationFailed)
    return unauthorized(`the token's ${err.claim} is missing or not the one that is asked for`)
  if (err instanceof errors.JOSEAlgNotAllowed)
    return unauthorized('the token is not signed by an algorithm that is taken')
  if (err instanceof errors.JWKSNoMatchingKey)
    return unauthorized('the token is signed by a key that its issuer does not have')
  return unauthorized('the token is malformed, or its signature does not fit')
}

function identityOf(payload: JWTPayload, defaultScopes: string): Identity {
  const { sub, client_id: client, scope, scp } = payload
  // Claims are what the issuer writes: a sub need not be the text that its type says.
  const id = [sub, client].find((each) => typeof each === 'string') ?? ''
  const named = [scope, scp].find((each) => typeof each === 'string' || Array.isArray(each))
  const list = Array.isArray(named) ? named.join(' ') : (named ?? '')
  return { id, kind: 'token', scopes: scopesOf(list === '' ? defaultScopes : list) }
}
