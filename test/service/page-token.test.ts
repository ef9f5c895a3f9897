import { test } from 'tap'
import { decodePageToken, encodePageToken } from '../../src/service/page-token.ts'

test('a token gives back the id that it was made of', async (t) => {
  for (const id of [1n, 42n, 2n ** 53n + 1n, 2n ** 63n - 1n])
    t.equal(decodePageToken(encodePageToken(id)), id)
})

test('a token of an id that cannot be is none, though its checksum is right', async (t) => {
  for (const id of [-1n, 0n, 2n ** 63n, 10n ** 19n])
    t.equal(decodePageToken(encodePageToken(id)), undefined, String(id))
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

const base64url = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

test('a token with any one character changed, added or left out is none', async (t) => {
  for (const id of [7n, 123456n, 2n ** 63n - 1n]) {
    const token = encodePageToken(id)
    const accepted = [...oneOff(token)].filter((text) => decodePageToken(text) !== undefined)
    t.strictSame(accepted, [], String(id))
  }
})

function* oneOff(token: string): Generator<string> {
  for (let at = 0; at <= token.length; at += 1) {
    const [before, after] = [token.slice(0, at), token.slice(at + 1)]
    if (at < token.length) yield before + after
    for (const char of `${base64url}+/= \n.\u{1f600}`) {
      if (char !== token[at]) yield before + char + after
      yield before + char + token.slice(at)
    }
  }
}
