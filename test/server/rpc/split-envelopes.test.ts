import { type ConnectError } from '@connectrpc/connect'
import { type EnvelopedMessage, encodeEnvelope } from '@connectrpc/connect/protocol'
import { randomBytes } from 'node:crypto'
import { test } from 'tap'

import { splitEnvelopes } from '../../../src/server/rpc/split-envelopes.ts'

/** Cuts bytes into chunks of this size. */
async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size)
}

async function split(bytes: Uint8Array, size: number, maxBytes = 1000) {
  const found: EnvelopedMessage[] = []
  for await (const each of splitEnvelopes(inChunks(bytes, size), maxBytes)) found.push(each)
  return found
}

test('messages are found wherever chunks begin and end', async (t) => {
  const messages = [0, 300, 1, 0].map((size, flags) => ({ flags, data: randomBytes(size) }))
  const bytes = Buffer.concat(messages.map(({ flags, data }) => encodeEnvelope(flags, data)))
  for (const size of [1, 2, 4, 5, 6, 7, 299, 305, 1000]) {
    const found = await split(bytes, size)
    t.same(
      found.map(({ flags, data }) => ({ flags, data: Buffer.from(data) })),
      messages,
      `chunks of ${size}`,
    )
  }
  t.same(await split(new Uint8Array(), 1), [])
})

test('a message that is too large or cut off is refused', async (t) => {
  const message = encodeEnvelope(0, randomBytes(1000))
  t.equal((await split(message, 100)).length, 1)
  const large = await t.rejects(split(message, 100, 999))
  t.match((large as unknown as ConnectError).code, 8)
  for (const length of [1, 4, 5, 1004])
    await t.rejects(split(message.subarray(0, length), 100), { code: 3 }, `${length} bytes`)
})

test('the event loop turns while a message comes in chunks of one byte', async (t) => {
  let turns = 0
  const timer = setInterval(() => (turns += 1), 0)
  t.teardown(() => clearInterval(timer))
  await split(encodeEnvelope(0, randomBytes(60_000)), 1, 60_000)
  t.ok(turns > 10)
})
