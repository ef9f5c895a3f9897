import { decodeToken, encodeToken } from './token.ts'

const form = /^v1:([1-9]\d{0,18})$/

/** Writes the id after which a page starts as a token. */
export function encodePageToken(after: bigint): string {
  return encodeToken(`v1:${after}`)
}

/** The id in a token of encodePageToken; undefined for any other text. */
export function decodePageToken(token: string): bigint | undefined {
  const digits = form.exec(decodeToken(token) ?? '')?.[1]
  if (digits === undefined) return undefined
  const after = BigInt(digits)
  return after < 2n ** 63n ? after : undefined
}
