import { test } from 'tap'
import { decodePageToken, encodePageToken } from '../../src/service/page-token.ts'

test('a token gives back the id that it was made of', async (t) => {
  for (const id of [1n, 42n, 2n ** 53n + 1n, 2n ** 63n - 1n])
    t.equal(decodePageToken(encodePageToken(id)), id)
})

test('a token that was tampered with is none', async (t) => {
  const token = encodePageToken(123456n)
  const mutations = ['', ' ', 'x', '=', '%', '\u00e9', token + token, `${token}=`, `${token} `]
  for (let at = 0; at < token.length; at += 1)
    mutations.push(token.slice(0, at), `${token.slice(0, at)}\n${token.slice(at)}`)
  for (const text of mutations) t.equal(decodePageToken(text), undefined, JSON.stringify(text))
  const forged = ['v1:1', 'v1:1:0', 'v1:0:2d1ad2c5', 'v1:9223372036854775808:1', 'v2:1:1', 'v1:']
  for (const text of forged)
    t.equal(decodePageToken(Buffer.from(text).toString('base64url')), undefined, text)
})
