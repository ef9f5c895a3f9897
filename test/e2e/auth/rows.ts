import { SignJWT } from 'jose'
import { forbidden, ok, type Sent, unauthorized } from './calls.ts'
import { audience, type Issuer } from './issuer.ts'

export const bearer = (token: string): Sent => ({ authorization: `Bearer ${token}` })
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A token's middle part changed after it was signed. */
function changed(token: string): string {
  const [head = '', payload = '', signature = ''] = token.split('.')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object
  return [head, part({ ...claims, sub: 'eve' }), signature].join('.')
}

/** Credentials, and what a call with them comes to. */
export type Row = [title: string, headers: Sent, expected: string]

/** For methods that need the scope `needed`, and not `other`. */
export async function rows(issuer: Issuer, needed: string, other: string): Promise<Row[]> {
  const now = Math.floor(Date.now() / 1000)
  const good = await issuer.token()
  const [head = '', payload = '', signature = ''] = good.split('.')
  const by = async (claims: Record<string, unknown>) => bearer(await issuer.token({ claims }))
  const secret = new TextEncoder().encode(JSON.stringify({ keys: [] }))
  const symmetric = await new SignJWT({ iss: issuer.url, aud: audience, exp: now + 60 })
    .setProtectedHeader({ alg: 'HS256', kid: 'first' })
    .sign(secret)
  const unknownKey = await issuer.token({ header: { kid: 'hidden' } })
  return [
    ['a good token', bearer(good), ok],
    ['a scheme in other letters', { authorization: `bEARER ${good}` }, ok],
    ['scopes as a list', await by({ scope: undefined, scp: [needed] }), ok],
    ['one of several audiences', await by({ aud: ['other', audience] }), ok],
    ['a clock that is 3 s behind', await by({ nbf: now + 3 }), ok],
    ['no credentials', {}, unauthorized],
    ['an empty header', { authorization: '' }, unauthorized],
    ['a scheme alone', { authorization: 'Bearer' }, unauthorized],
    ['an empty token', { authorization: 'Bearer ' }, unauthorized],
    ['two spaces', { authorization: `Bearer  ${good}` }, unauthorized],
    ['a token without a scheme', { authorization: good }, unauthorized],
    ['another scheme', { authorization: `Basic ${good}` }, unauthorized],
    ['a scheme with a comma', { authorization: `Bearer ${good}, Bearer ${good}` }, unauthorized],
    ['a token and more', { authorization: `Bearer ${good} ${good}` }, unauthorized],
    ['no token', bearer('abc'), unauthorized],
    ['dots alone', bearer('..'), unauthorized],
    ['two parts', bearer(`${head}.${payload}`), unauthorized],
    ['five parts, as an encrypted one', bearer(`${good}.a.b`), unauthorized],
    ['no signature', bearer(`${head}.${payload}.`), unauthorized],
    ['a cut signature', bearer(good.slice(0, -4)), unauthorized],
    [
      'a signature of another token',
      bearer(`${head}.${part({ sub: 'eve' })}.${signature}`),
      unauthorized,
    ],
    ['changed claims', bearer(changed(good)), unauthorized],
    ['alg none', bearer(`${part({ alg: 'none' })}.${payload}.`), unauthorized],
    [
      'alg None with a signature',
      bearer(`${part({ alg: 'None' })}.${payload}.${signature}`),
      unauthorized,
    ],
    ['a secret as the key', bearer(symmetric), unauthorized],
    ['no alg', bearer(`${part({ kid: 'first' })}.${payload}.${signature}`), unauthorized],
    [
      'another alg',
      bearer(`${part({ alg: 'RS256', kid: 'first' })}.${payload}.${signature}`),
      unauthorized,
    ],
    [
      'an unknown critical header',
      bearer(`${part({ alg: 'ES256', kid: 'first', crit: ['x'], x: 1 })}.${payload}.${signature}`),
      unauthorized,
    ],
    ['a header that is no JSON', bearer(`abc.${payload}.${signature}`), unauthorized],
    ['an unknown key', bearer(unknownKey), unauthorized],
    ['an expired token', await by({ exp: now - 60 }), unauthorized],
    ['no end', await by({ exp: undefined }), unauthorized],
    [
      'an end that is a text',
      bearer(await issuer.token({ claims: { exp: 'soon' } })),
      unauthorized,
    ],
    ['a token of the future', await by({ nbf: now + 60 }), unauthorized],
    ['another issuer', await by({ iss: 'https://id.example.com' }), unauthorized],
    ['the issuer with a slash', await by({ iss: `${issuer.url}/` }), unauthorized],
    ['no issuer', await by({ iss: undefined }), unauthorized],
    ['another audience', await by({ aud: 'orders' }), unauthorized],
    ['no audience', await by({ aud: undefined }), unauthorized],
    ['a huge token', bearer('a'.repeat(9000)), unauthorized],
    ['an API key where none are taken', { 'x-api-key': 'a.b' }, unauthorized],
    ['a token and an API key', { ...bearer(good), 'x-api-key': 'a.b' }, unauthorized],
    ['a token in a cookie', { cookie: `authorization=${good}` }, unauthorized],
    ['another scope', await by({ scope: other }), forbidden],
    ['a longer scope', await by({ scope: `${needed}2 x${needed}` }), forbidden],
    ['a scope in other letters', await by({ scope: needed.toUpperCase() }), forbidden],
    ['no scope', await by({ scope: undefined }), forbidden],
    [
      'a scope that is an object',
      bearer(await issuer.token({ claims: { scope: { a: 1 } } })),
      forbidden,
    ],
  ]
}
