import { test } from 'tap'
import { decodePageToken, encodePageToken } from '../../src/service/page-token.ts'
import { encodeToken } from '../../src/service/token.ts'

const list = 'books'

test('a token gives back the id that it was made of', async (t) => {
  for (const id of [1n, 42n, 2n ** 53n + 1n, 2n ** 63n - 1n])
    t.equal(decodePageToken(list, encodePageToken(list, id)), id)
})

test('a token of an id that cannot be is none, though its checksum is right', async (t) => {
  for (const id of [-1n, 0n, 2n ** 63n, 10n ** 19n])
    t.equal(decodePageToken(list, encodePageToken(list, id)), undefined, String(id))
})

test('a token is none of another list, or of the same one by another filter', async (t) => {
  const lists = ['books', 'book', 'books:', 'books:1', 'books:12', 'books:1:2', 'pens', '']
  for (const given of lists) {
    const token = encodePageToken(given, 12n)
    const taking = lists.filter((other) => decodePageToken(other, token) !== undefined)
    t.strictSame(taking, [given])
  }
})

test('a token of v1, which named no list, is none', async (t) => {
  for (const text of ['v1:12', 'v1:books:12', 'v2:12', '12'])
    t.equal(decodePageToken(list, encodeToken(text)), undefined, text)
})

test('a token that was tampered with is none', async (t) => {
  const token = encodePageToken(list, 123456n)
  const mutations = ['', ' ', 'x', '=', '%', '\u00e9', token + token, `${token}=`, `${token} `]
  for (let at = 0; at < token.length; at += 1)
    mutations.push(token.slice(0, at), `${token.slice(0, at)}\n${token.slice(at)}`)
  for (const text of mutations)
    t.equal(decodePageToken(list, text), undefined, JSON.stringify(text))
  const forged = ['1', '1:0', '0:2d1ad2c5', '9223372036854775808:1', '', '1:1:1'].map(
    (end) => `v2:books:${end}`,
  )
  for (const text of forged)
    t.equal(decodePageToken(list, Buffer.from(text).toString('base64url')), undefined, text)
})

const base64url = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

test('a token with any one character changed, added or left out is none', async (t) => {
  for (const id of [7n, 123456n, 2n ** 63n - 1n]) {
    const token = encodePageToken(list, id)
    const accepted = [...oneOff(token)].filter((text) => decodePageToken(list, text) !== undefined)
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
