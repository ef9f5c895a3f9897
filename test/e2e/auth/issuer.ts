import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { Test } from 'tap'

/** The audience of the tokens for the service. */
export const audience = 'user-service'

/** An issuer of tokens: its discovery document and keys on a port of its own. */
export type Issuer = Awaited<ReturnType<typeof startIssuer>>

type Key = Awaited<ReturnType<typeof generateKeyPair>>['privateKey']

interface Signed {
  /** undefined takes a usual one away. */
  claims?: Record<string, unknown>
  header?: { alg?: string; kid?: string; typ?: string }
  /** The key of a token without `kid`. */
  by?: string
}

/** Starts an issuer with one key; closed when the test ends. */
export async function startIssuer(t: Test) {
  const keys: { kid: string; privateKey: Key; jwk: object }[] = []
  let asked = 0
  let calls = 0
  let status = 200
  const server = createServer((req, res) => {
    calls += 1
    if (status !== 200) return void res.writeHead(status).end()
    if (req.url === '/.well-known/openid-configuration')
      return void res.end(JSON.stringify({ issuer: url, jwks_uri: `${url}/keys` }))
    asked += 1
    res.end(JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }))
  })
  let port = 0
  async function listen(): Promise<void> {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  await listen()
  port = (server.address() as AddressInfo).port
  const url = `http://127.0.0.1:${port}`
  async function close(): Promise<void> {
    server.closeAllConnections()
    if (server.listening) await new Promise((resolve) => server.close(resolve))
  }
  t.teardown(close)

  async function addKey(kid: string, published = true): Promise<void> {
    const { privateKey, publicKey } = await generateKeyPair('ES256')
    const jwk = { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' }
    if (published) keys.push({ kid, privateKey, jwk })
    else hidden.set(kid, privateKey)
  }
  const hidden = new Map<string, Key>()
  await addKey('first')

  return {
    url,
    addKey,
    close,
    /** Comes back to its port. */
    listen,
    /** How often the keys were asked for. */
    asked: () => asked,
    /** How often it was called for whatever. */
    calls: () => calls,
    /** Answers everything with this status from now on. */
    answer: (next: number) => void (status = next),
    /** A token with these claims beside the usual ones; undefined takes one away. */
    async token({ claims = {}, header = {}, by }: Signed = {}): Promise<string> {
      const kid = by ?? header.kid ?? 'first'
      const key = keys.find((each) => each.kid === kid)?.privateKey ?? hidden.get(kid)
      if (key === undefined) throw new Error(`there is no key ${kid}`)
      const now = Math.floor(Date.now() / 1000)
      const usual = {
        iss: url,
        aud: audience,
        sub: 'ada',
        exp: now + 300,
        scope: 'users:read users:write',
      }
      return new SignJWT({ ...usual, ...claims })
        .setProtectedHeader({ alg: 'ES256', ...(by === undefined && { kid }), ...header })
        .sign(key)
    },
  }
}
