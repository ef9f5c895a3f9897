import { decodeToken, encodeToken } from './token.ts'

const form = /^[1-9]\d{0,18}$/

/**
 * Writes the id after which a page starts as a token. `list` names in ASCII what the page is of, with
 * the values of its filter, since a token leads on in that list only (AIP-158).
 */
export function encodePageToken(list: string, after: bigint): string {
  return encodeToken(`${beginning(list)}${after}`)
}

/** The id in a token of encodePageToken for the same list; undefined for any other text. */
export function decodePageToken(list: string, token: string): bigint | undefined {
  const text = decodeToken(token)
  if (!text?.startsWith(beginning(list))) return undefined
  const digits = text.slice(beginning(list).length)
  if (!form.test(digits)) return undefined
  const after = BigInt(digits)
  return after < 2n ** 63n ? after : undefined
}

/** How the text of a token of this list begins. Those of v1 named no list. */
function beginning(list: string): string {
  return `v2:${list}:`
}
