import { hash, timingSafeEqual } from 'node:crypto'
import { type Identity, scopesOf } from '../../call/caller/identity.ts'
import { unauthorized } from './challenge.ts'

interface ApiKey {
  /** SHA-256 of the secret: the bytes of its hexadecimal digits. */
  digest: Buffer
  identity: Identity
}

/** The keys of a file by their ids. */
export type ApiKeys = ReadonlyMap<string, ApiKey>

const line = /^(?<id>[\w-]{1,64})\s+(?<digest>[0-9a-f]{64})(?:\s+(?<scopes>[^#]*))?$/

/**
 * Reads a file of keys: a line for each with id, SHA-256 of the secret in hexadecimal, and scopes.
 * Empty lines and those that begin with # are left out. Throws an error that names the line that is
 * wrong, and nothing of what is in it.
 */
export function parseApiKeys(text: string): ApiKeys {
  const keys = new Map<string, ApiKey>()
  for (const [index, raw] of text.split('\n').entries()) {
    const trimmed = raw.trim()
    if (trimmed === '' || trimmed.startsWith('#')) continue
    const { id, digest, scopes = '' } = line.exec(trimmed)?.groups ?? {}
    if (id === undefined || digest === undefined)
      throw new Error(`line ${index + 1} must be: id sha256-of-the-secret-in-hex scope scope`)
    if (keys.has(id)) throw new Error(`line ${index + 1} has the id of another line`)
    const identity = { id, kind: 'api_key', scopes: scopesOf(scopes) } as const
    keys.set(id, { digest: Buffer.from(digest), identity })
  }
  return keys
}

/** Compared with where there is no such id, so that the time tells nothing of which ids there are. */
const nobody = Buffer.from(hash('sha256', 'nobody'))

/** Digests are written here one after the other: a buffer for each costs more than the hash. */
const digits = Buffer.alloc(64)

/** The caller of a key, `id.secret`. Throws UNAUTHORIZED; secrets are compared in constant time. */
export function identityOfKey(keys: ApiKeys, key: string): Identity {
  const dot = key.indexOf('.')
  const known = keys.get(key.slice(0, Math.max(dot, 0)))
  digits.write(hash('sha256', key.slice(dot + 1)), 'latin1')
  const equal = timingSafeEqual(digits, known?.digest ?? nobody)
  if (known === undefined || !equal) throw unauthorized('the API key is not known')
  return known.identity
}
