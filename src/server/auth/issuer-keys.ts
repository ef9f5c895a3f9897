import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from 'jose'

/** Where the keys of an issuer are, and how long calls to it may take. */
export interface IssuerKeysOptions {
  issuer: string
  /** Empty: the discovery document of the issuer says it. */
  jwksUrl: string
  /** How soon an unknown key may cause another call, in milliseconds. */
  cooldownMs: number
  timeoutMs: number
}

/** The keys of an issuer, as issuerKeys makes them. */
interface IssuerKeys {
  find: JWTVerifyGetKey
  /** Milliseconds since the issuer has given the keys; undefined before. */
  ageMs(): number | undefined
  close(): void
}

/** Keys that the issuer takes back are dropped within this time. */
const refreshMs = 600_000

/**
 * Makes what finds the key of a token. Keys are read when the first token comes, when a token names
 * one that is not there, and again every ten minutes. While the issuer is away, those that are there
 * go on; `find` rejects with the error of the call if one is not.
 */
export function issuerKeys(options: IssuerKeysOptions): IssuerKeys {
  let set: Promise<ReturnType<typeof createRemoteJWKSet>> | undefined
  let readAt: number | undefined
  const read = () => (readAt = performance.now())
  // A failed discovery is tried again by the next token.
  const opened = () => (set ??= open(options, read).catch(forget))
  function forget(err: unknown): never {
    set = undefined
    throw err
  }
  async function refresh(): Promise<void> {
    await (await set)?.reload()
  }
  // The keys that are there go on; the next token with an unknown key shows what is wrong.
  const timer = setInterval(() => void refresh().catch(() => undefined), refreshMs).unref()
  const find: JWTVerifyGetKey = async (header, token) => {
    const keysOf = await opened()
    try {
      return await keysOf(header, token)
    } catch (err) {
      if (!(err instanceof errors.JWKSNoMatchingKey)) throw err
      // Another call may have read the keys since this one looked, and now they cool down.
      return keysOf(header, token)
    }
  }
  return {
    find,
    ageMs: () => readAt && performance.now() - readAt,
    close: () => clearInterval(timer),
  }
}

/** `read` is told of each document of keys that has come. */
async function open(
  { issuer, jwksUrl, cooldownMs, timeoutMs }: IssuerKeysOptions,
  read: () => void,
) {
  const url = jwksUrl === '' ? await discovered(issuer, timeoutMs) : jwksUrl
  return createRemoteJWKSet(new URL(url), {
    cooldownDuration: cooldownMs,
    timeoutDuration: timeoutMs,
    // Old keys are better than none; the timer renews them.
    cacheMaxAge: Number.POSITIVE_INFINITY,
    async [customFetch](address, init) {
      const response = await fetch(address, init)
      if (response.status === 200) read()
      return response
    },
  })
}

/** The `jwks_uri` of an issuer by OpenID Connect Discovery 1.0, section 4. */
async function discovered(issuer: string, timeoutMs: number): Promise<string> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(timeoutMs) })
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}`)
  const found: unknown = await response.json()
  const { issuer: named, jwks_uri: keys } = Object(found) as Record<string, unknown>
  // Section 4.3: a document of another issuer must not be used.
  if (named !== issuer) throw new Error(`${url} is of the issuer ${String(named)}`)
  if (typeof keys !== 'string') throw new Error(`${url} has no jwks_uri`)
  return keys
}
