import type { X509Certificate } from 'node:crypto'
import { TLSSocket } from 'node:tls'
import { type Identity, scopesOf } from '../../call/caller/identity.ts'
import type { Request } from '../exchange/exchange.ts'

/** Finds the caller by the certificate of its connection; undefined if none of its names is known. */
export type IdentifyPeer = (request: Request) => Identity | undefined

/**
 * Makes what finds callers by the URI and DNS names of their certificates, such as those of SPIFFE.
 * TLS has checked the certificate; the result is kept for the life of its connection.
 */
export function peerIdentities(principals: Readonly<Record<string, string>>): IdentifyPeer {
  const known = new Map<string, Identity>(
    Object.entries(principals).map(([id, scopes]) => [
      id,
      { id, kind: 'certificate', scopes: scopesOf(scopes) },
    ]),
  )
  const bySocket = new WeakMap<TLSSocket, Identity | undefined>()
  return function identify(request) {
    const socket = 'stream' in request ? request.stream.session?.socket : request.socket
    if (!(socket instanceof TLSSocket)) return undefined
    if (bySocket.has(socket)) return bySocket.get(socket)
    const names = namesOf(socket.getPeerX509Certificate())
    const identity = names.map((name) => known.get(name)).find((each) => each !== undefined)
    bySocket.set(socket, identity)
    return identity
  }
}

/** The names as `URI:spiffe://a/b, DNS:c`; node quotes one that holds a comma, and it is left out. */
function namesOf(certificate: X509Certificate | undefined): string[] {
  const names = certificate?.subjectAltName?.split(', ') ?? []
  return names.flatMap((name) => /^(?:URI|DNS):([^"]+)$/.exec(name)?.[1] ?? [])
}
