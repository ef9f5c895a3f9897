// Run by `npm run verify -- oidc`, which installs the provider.
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { pathToFileURL } from 'node:url'
import { exportJWK, generateKeyPair } from 'jose'
import { type Test, test } from 'tap'
import { startApp } from '../help/app.ts'

/** What is used of the provider. */
type Provider = new (issuer: string, configuration: object) => { callback(): RequestListener }

const audience = 'urn:user-service'
const client = { id: 'reports', secret: 'a secret of the tests' }

async function loadProvider(): Promise<Provider> {
  const folder = process.env.TEST_OIDC
  if (folder === undefined) throw new Error('run this by `npm run verify -- oidc`')
  const file = createRequire(`${folder}/package.json`).resolve('oidc-provider')
  return ((await import(pathToFileURL(file).href)) as { default: Provider }).default
}

async function signingKey(kid: string) {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  return { ...(await exportJWK(privateKey)), kid, use: 'sig', alg: 'RS256' }
}

const resourceIndicators = {
  enabled: true,
  getResourceServerInfo: (_: unknown, resource: string) => ({
    scope: 'users:read users:write',
    audience: resource,
    accessTokenFormat: 'jwt',
    accessTokenTTL: 300,
  }),
}

const configuration = (keys: object[]) => ({
  jwks: { keys },
  clients: [
    {
      client_id: client.id,
      client_secret: client.secret,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    },
  ],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators,
  },
})

/** The provider on a port of its own, with one key. */
async function startProvider(t: Test) {
  const provider = await loadProvider()
  let answer: RequestListener = () => undefined
  const server = createServer((req, res) => answer(req, res)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const serve = (keys: object[]) => {
    answer = new provider(url, configuration(keys)).callback()
  }
  const keys = [await signingKey('first')]
  serve(keys)
  return {
    url,
    /** Publishes another key; the provider signs by the first of its list. */
    async publish(kid: string): Promise<void> {
      keys.push(await signingKey(kid))
      serve(keys)
    },
    /** Signs by the newest key. */
    rotate(): void {
      serve(keys.toReversed())
    },
    async token(scope: string, resource = audience): Promise<string> {
      const basic = Buffer.from(`${client.id}:${encodeURIComponent(client.secret)}`)
      const response = await fetch(`${url}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${basic.toString('base64')}` },
        body: new URLSearchParams({ grant_type: 'client_credentials', scope, resource }),
      })
      const { access_token: token } = (await response.json()) as { access_token?: string }
      if (token === undefined) throw new Error(`the provider answered ${response.status}`)
      return token
    },
  }
}

/** With a cooldown that has always passed: within it, a token of a new key is refused. */
async function startService(t: Test) {
  const provider = await startProvider(t)
  const { rest } = await startApp(t, {
    storage: 'sqlite',
    env: {
      AUTH_ISSUER: provider.url,
      AUTH_AUDIENCE: audience,
      AUTH_TYP: 'at+jwt',
      AUTH_CACHE: '0s',
    },
    configure: ({ auth }) => {
      if (auth.jwt.jwksCooldown) auth.jwt.jwksCooldown.seconds = 0n
    },
  })
  const list = async (token: string) => {
    const headers = { authorization: `Bearer ${token}` }
    const response = await fetch(`${rest.url}/v1/users`, { headers })
    await response.text()
    return response.status
  }
  return { provider, list }
}

const keyOf = (token: string) =>
  (JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as { kid: string })
    .kid

test('tokens of client credentials are taken for their audience and scopes', async (t) => {
  const { provider, list } = await startService(t)
  t.equal(await list(await provider.token('users:read')), 200)
  t.equal(await list(await provider.token('users:write')), 403)
  t.equal(await list(await provider.token('users:read', 'urn:orders')), 401)
})

test('a rotation of keys under load loses no call', async (t) => {
  const { provider, list } = await startService(t)
  const found = new Map<string, number>()
  let rotated = false
  async function load(): Promise<void> {
    for (let after = 0; after < 200; after += Number(rotated)) {
      const token = await provider.token('users:read')
      const outcome = `${keyOf(token)} ${await list(token)}`
      found.set(outcome, (found.get(outcome) ?? 0) + 1)
    }
  }
  async function rotate(): Promise<void> {
    await provider.publish('second')
    provider.rotate()
    rotated = true
  }
  await Promise.all([load(), load(), load(), load(), rotate()])
  t.same([...found.keys()].toSorted(), ['first 200', 'second 200'])
  t.comment(JSON.stringify(Object.fromEntries(found)))
})
