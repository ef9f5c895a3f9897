import { crc32 } from 'node:zlib'

const form = /^v1:([1-9]\d{0,18}):[0-9a-f]{1,8}$/

/**
 * Writes the id after which a page starts as an opaque, URL-safe token (AIP-158). Its checksum
 * is not a secret: it makes a token that was cut or mistyped invalid instead of another position.
 */
export function encodePageToken(after: bigint): string {
  const text = `v1:${after}`
  return Buffer.from(`${text}:${crc32(text).toString(16)}`).toString('base64url')
}

/** The id in a token of encodePageToken; undefined for any other text. */
export function decodePageToken(token: string): bigint | undefined {
  const digits = form.exec(Buffer.from(token, 'base64url').toString('latin1'))?.[1]
  if (digits === undefined) return undefined
  const after = BigInt(digits)
  // Compared with the token that the id has, since base64 decoders skip characters that they do not
  // know.
  return after < 2n ** 63n && encodePageToken(after) === token ? after : undefined
}
