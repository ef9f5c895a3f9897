import { crc32 } from 'node:zlib'

/**
 * Writes a short text as an opaque, URL-safe token (AIP-158). Its checksum is not a secret: it makes a
 * token that was cut or mistyped invalid instead of another one.
 */
export function encodeToken(text: string): string {
  return Buffer.from(`${text}:${crc32(text).toString(16)}`).toString('base64url')
}

/** The text of a token of encodeToken; undefined for any other one. */
export function decodeToken(token: string): string | undefined {
  const decoded = Buffer.from(token, 'base64url').toString('latin1')
  const text = decoded.slice(0, Math.max(0, decoded.lastIndexOf(':')))
  // Compared with the token that the text has, since base64 decoders skip characters that they do not
  // know.
  return encodeToken(text) === token ? text : undefined
}
