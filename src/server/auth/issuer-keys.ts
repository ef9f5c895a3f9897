import { createRemoteJWKSet, errors, type JWTVerifyGetKey } from 'jose'

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
 * go on; `find` rejects with the error of the last call if one is not.
 */
export function issuerKeys(options: IssuerKeysOptions, now = () => performance.now()): IssuerKeys {
  let set: ReturnType<typeof createRemoteJWKSet> | undefined
  let readAt: number | undefined
  async function read() {
    const keys = (set ??= await open(options))
    await keys.reload()
    readAt = now()
    return keys
  }
  const reading = paced(read, options.cooldownMs, now)
  // The keys that are there go on; the next token with an unknown key shows what is wrong.
  const refresh = () => set && void reading.again().catch(() => undefined)
  const timer = setInterval(refresh, refreshMs).unref()
  const find: JWTVerifyGetKey = async (header, token) => {
    // Without any key nobody can call, so the issuer is asked again at once.
    const keysOf = set?.fresh ? set : await reading.again()
    try {
      return await keysOf(header, token)
    } catch (err) {
      if (!(err instanceof errors.JWKSNoMatchingKey)) throw err
      return (await reading.atPace())(header, token)
    }
  }
  return {
    find,
    ageMs: () => (readAt === undefined ? undefined : now() - readAt),
    close: () => clearInterval(timer),
  }
}

/**
 * Makes calls that all share who ask while one is under way. `atPace` gives the result of the last
 * one, a failure as well, until `cooldownMs` after its end: an issuer in trouble must not get a call
 * by each token.
 */
function paced<T>(call: () => Promise<T>, cooldownMs: number, now: () => number) {
  let last: Promise<T> | undefined
  let endedAt: number | undefined
  const isOld = () => endedAt !== undefined && now() - endedAt >= cooldownMs
  function again(): Promise<T> {
    if (last !== undefined && endedAt === undefined) return last
    endedAt = undefined
    return (last = call().finally(() => (endedAt = now())))
  }
  return { again, atPace: () => (last === undefined || isOld() ? again() : last) }
}

async function open({ issuer, jwksUrl, timeoutMs }: IssuerKeysOptions) {
  const url = jwksUrl === '' ? await discovered(issuer, timeoutMs) : jwksUrl
  return createRemoteJWKSet(new URL(url), {
    timeoutDuration: timeoutMs,
    // The set reads nothing by itself: its own cooldown does not count calls that fail.
    cooldownDuration: Number.POSITIVE_INFINITY,
    // Old keys are better than none; the timer renews them.
    cacheMaxAge: Number.POSITIVE_INFINITY,
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
