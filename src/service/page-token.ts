const version = 'v1:'

/** Writes the id after which a page starts as an opaque, URL-safe token (AIP-158). */
export function encodePageToken(after: bigint): string {
  return Buffer.from(`${version}${after}`).toString('base64url')
}

/** Reads a token of encodePageToken; undefined for anything else. */
export function decodePageToken(token: string): bigint | undefined {
  const text = Buffer.from(token, 'base64url').toString('latin1')
  if (!text.startsWith(version)) return undefined
  const digits = text.slice(version.length)
  if (!/^[1-9]\d{0,18}$/.test(digits)) return undefined
  const after = BigInt(digits)
  // One spelling per token: base64 readers skip what they do not know, so compare with our own.
  return after < 2n ** 63n && encodePageToken(after) === token ? after : undefined
}
