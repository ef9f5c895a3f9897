import { test } from 'tap'
import { encodePageToken } from '../../src/service/page-token.ts'
import { decodeResumeToken, encodeResumeToken } from '../../src/service/resume-token.ts'

test('a token gives back the place that it was made of', async (t) => {
  for (const place of [
    { seq: 0n, at: 0 },
    { seq: 2n ** 53n + 1n, at: 1_700_000_000_123 },
    { seq: 2n ** 63n - 1n, at: 1 },
  ])
    t.strictSame(decodeResumeToken(encodeResumeToken(place)), place)
})

test('any other text is none', async (t) => {
  const token = encodeResumeToken({ seq: 7n, at: 8 })
  const others = ['', 'x', token.slice(1), `${token}A`, encodePageToken('books', 7n)]
  for (const seq of [-1n, 2n ** 63n]) others.push(encodeResumeToken({ seq, at: 8 }))
  for (const text of others) t.equal(decodeResumeToken(text), undefined, text)
})
