/** Where a Redis is, as a setting names it. */
export interface RedisPlace {
  host: string
  port: number
  db: number
  username: string
  password: string
  /** Whether the connection is encrypted. */
  tls: boolean
}

/** What a setting may be, for messages about one that is wrong. */
export const redisUrlRule =
  'must be redis://[user:password@]host:port[/database], with rediss:// for TLS, or host:port'

const defaultPort = 6379

/** Reads a URL or `host:port`; undefined if it is neither. */
export function redisPlace(text: string): RedisPlace | undefined {
  const url = urlOf(text.includes('://') ? text : `redis://${text}`)
  const db = /^\/?(\d{0,4})$/.exec(url?.pathname ?? '?')?.[1]
  if (url === undefined || db === undefined || !['redis:', 'rediss:'].includes(url.protocol))
    return undefined
  if (url.hostname === '' || url.search !== '' || url.hash !== '') return undefined
  const [username, password] = [decoded(url.username), decoded(url.password)]
  if (username === undefined || password === undefined) return undefined
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? defaultPort : Number(url.port),
    db: Number(db),
    username,
    password,
    tls: url.protocol === 'rediss:',
  }
}

/** Names a Redis without its account. */
export function redisName({ host, port, db, tls }: RedisPlace): string {
  const address = host.includes(':') ? `[${host}]` : host
  return `${tls ? 'rediss' : 'redis'}://${address}:${port}/${db}`
}

function urlOf(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined
}

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}
