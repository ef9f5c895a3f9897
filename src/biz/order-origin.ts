import { hash } from 'node:crypto'
import type { Caller } from './caller.ts'

/** Where an order comes from. */
export interface OrderOrigin {
  /** Undefined where nobody is asked for credentials. */
  caller: Caller | undefined
  /** The idempotency key, which is one of its caller; undefined: none. */
  key: string | undefined
}

/**
 * The key under which an order is stored: that of one caller must not give its orders to another, who
 * may have guessed it. Hashed, since ids of callers have any length.
 */
export function storedKey({ caller, key }: OrderOrigin): string | undefined {
  if (caller === undefined || key === undefined) return key
  return hash('sha256', JSON.stringify([caller.kind, caller.id, key]), 'base64url')
}
