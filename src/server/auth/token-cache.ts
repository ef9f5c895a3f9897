import { hash } from 'node:crypto'
import type { Identity } from '../../call/caller/identity.ts'

const maxTokens = 10_000

/**
 * Keeps tokens that were found good, by their SHA-256, so that none can be read from memory.
 * Remembers callers for `keepMs` after their token was checked, and never beyond the end of the
 * token. The oldest goes when there are too many. `now` gives milliseconds since 1970.
 */
export function tokenCache(keepMs: number, now: () => number) {
  const known = new Map<string, { identity: Identity; until: number }>()
  return {
    find(token: string): Identity | undefined {
      const key = hash('sha256', token, 'base64')
      const entry = known.get(key)
      if (entry === undefined || entry.until > now()) return entry?.identity
      known.delete(key)
      return undefined
    },
    /** `end` is the end of the token's validity; undefined if it has none. */
    add(token: string, identity: Identity, end: number | undefined): void {
      const until = Math.min(now() + keepMs, end ?? Number.POSITIVE_INFINITY)
      if (until <= now()) return
      for (const oldest of known.keys()) {
        if (known.size < maxTokens) break
        known.delete(oldest)
      }
      known.set(hash('sha256', token, 'base64'), { identity, until })
    },
  }
}
