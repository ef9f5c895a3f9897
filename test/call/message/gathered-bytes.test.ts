import { randomBytes } from 'node:crypto'
import { test } from 'tap'

import { gatheredBytes } from '../../../src/call/message/gathered-bytes.ts'

test('chunks of all sizes are one body, and what it had before stays as it was', async (t) => {
  for (const sizes of [[], [0, 3], [5], [1, 1, 1], [700, 1, 5000, 0, 2]]) {
    const gathered = gatheredBytes()
    const chunks = sizes.map((size) => randomBytes(size))
    for (const [count, chunk] of chunks.entries()) {
      const before = Buffer.concat(chunks.slice(0, count))
      const early = gathered.bytes()
      gathered.add(chunk)
      t.same(early, before, `${sizes.join()}: before chunk ${count}`)
    }
    t.same(gathered.bytes(), Buffer.concat(chunks), sizes.join())
    t.equal(gathered.size(), Buffer.concat(chunks).length)
  }
})

test('a body in chunks of one byte takes little more memory than its bytes', async (t) => {
  const gathered = gatheredBytes()
  for (let count = 0; count < 100_000; count += 1) gathered.add(randomBytes(1))
  t.equal(gathered.size(), 100_000)
  t.ok(gathered.bytes().buffer.byteLength <= 2 * 100_000)
})

test('a body of one chunk is not copied', async (t) => {
  const chunk = randomBytes(100)
  const gathered = gatheredBytes()
  gathered.add(chunk)
  t.equal(gathered.bytes().buffer, chunk.buffer)
})
