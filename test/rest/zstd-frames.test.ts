import { Readable } from 'node:stream'
import { brotliCompressSync, constants, gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { test } from 'tap'
import { decoded } from '../../src/rest/decoded.ts'
import type { Coding } from '../../src/rest/codings.ts'
import { decompressed } from '../../src/rest/request/decompress.ts'
import { zstdFrames } from '../../src/rest/zstd-frames.ts'

const limit = 10_000_000

/** A frame that gives nothing, with which pzstd begins. */
function skippable(length: number) {
  const frame = Buffer.alloc(8 + length)
  frame.writeUInt32LE(0x184d2a50 + (length % 16))
  frame.writeUInt32LE(length, 4)
  return { text: Buffer.alloc(0), frame }
}

function compressed(text: Uint8Array, checksum: boolean) {
  const params = { [constants.ZSTD_c_checksumFlag]: Number(checksum) }
  return { text, frame: zstdCompressSync(text, { params }) }
}

const text = fc.oneof(
  fc.uint8Array({ maxLength: 2000 }),
  fc.nat(200_000).map((length) => Buffer.alloc(length, 'a')),
  fc.nat(200_000).map((length) => Buffer.from(Array.from({ length }, (_, at) => (at * at) % 251))),
)
const frames = fc.array(
  fc.oneof(
    fc.nat(20).map(skippable),
    fc.tuple(text, fc.boolean()).map((of) => compressed(...of)),
  ),
  { minLength: 1, maxLength: 6 },
)

/** The body in pieces. */
function* cut(body: Buffer, at: readonly number[]) {
  const cuts = [0, ...at.map((each) => each % (body.length + 1)), body.length]
  const sorted = cuts.toSorted((a, b) => a - b)
  for (const [index, end] of sorted.slice(1).entries()) yield body.subarray(sorted[index], end)
}

async function streamed(pieces: Iterable<Uint8Array>, coding: Coding): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of decoded(Readable.from(pieces), coding)) parts.push(part)
  return Buffer.concat(parts)
}

test('a body of several frames is their content, wherever it is cut', async (t) => {
  await fc.assert(
    fc.asyncProperty(frames, fc.array(fc.nat(), { maxLength: 5 }), async (all, at) => {
      const body = Buffer.concat(all.map(({ frame }) => frame))
      const found = await Readable.from(zstdFrames(Readable.from([body]))).toArray()
      const whole = Buffer.concat(all.map((each) => each.text))
      return (
        found.length === all.length &&
        whole.equals(await streamed(cut(body, at), 'zstd')) &&
        whole.equals(await decompressed(body, 'zstd', limit))
      )
    }),
    { numRuns: 100 },
  )
  t.pass()
})

test('a body that is cut off in its second frame is malformed', async (t) => {
  const frame = zstdCompressSync('a text')
  for (let length = 1; length < frame.length; length += 1) {
    const body = Buffer.concat([frame, frame.subarray(0, length)])
    const refused = { message: /the body is not zstd/ }
    await t.rejects(streamed([body], 'zstd'), refused)
    await t.rejects(decompressed(body, 'zstd', limit), refused)
  }
})

test('what follows a body is malformed, except for the zeros of gzip', async (t) => {
  const whole = { zstd: zstdCompressSync('a'), br: brotliCompressSync('a'), gzip: gzipSync('a') }
  for (const coding of ['zstd', 'br', 'gzip'] as const)
    for (const rest of ['?', 'garbage!', '\0']) {
      const pieces = [whole[coding], Buffer.from(rest)]
      const results = await Promise.allSettled([
        decompressed(Buffer.concat(pieces), coding, limit),
        streamed([Buffer.concat(pieces)], coding),
        streamed(pieces, coding),
      ])
      for (const result of results)
        if (coding === 'gzip' && rest === '\0') t.match(result, { value: Buffer.from('a') })
        else t.match(result, { reason: { message: /the body is not (zstd|br|gzip)/ } })
    }
})

test('the limit of a body holds for all of its frames together', async (t) => {
  const body = Buffer.concat(Array.from({ length: 5 }, () => zstdCompressSync(Buffer.alloc(1000))))
  t.equal((await decompressed(body, 'zstd', 5000)).byteLength, 5000)
  await t.rejects(decompressed(body, 'zstd', 4999), { message: /larger than 4999 bytes/ })
})

test('a body of very many empty frames is refused, and one of many that are not is read', async (t) => {
  const empty = Buffer.concat(Array.from({ length: 3000 }, () => skippable(0).frame))
  const refused = { message: /too many frames/ }
  await t.rejects(streamed([empty], 'zstd'), refused)
  await t.rejects(decompressed(empty, 'zstd', limit), refused)
  const part = Buffer.from(Array.from({ length: 2000 }, (_, at) => (at * at) % 251))
  const { frame } = compressed(part, true)
  const long = Buffer.concat([
    ...Array.from({ length: 1500 }, () => frame),
    skippable(2 ** 20).frame,
  ])
  t.equal((await streamed([long], 'zstd')).length, 1500 * part.length)
})
