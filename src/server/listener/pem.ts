import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'

interface Pem {
  ca?: string
  cert?: string
  key?: string
}

/**
 * Throws unless node:tls can use these texts. It takes an empty one, as a file is for a moment while it
 * is written anew, for none at all: a server would show no certificate, and `ca` would be every known
 * authority. A `ca` without any certificate it takes for no authority.
 */
export function checkPem(pem: Pem): void {
  const { ca, cert, key } = pem
  for (const text of [ca, cert]) if (text !== undefined) certificateIn(text)
  if (key !== undefined) createPrivateKey(key)
  createSecureContext(pem)
}

/** The first certificate of a text. Throws if there is none. */
export function certificateIn(text: string): X509Certificate {
  return new X509Certificate(text)
}
