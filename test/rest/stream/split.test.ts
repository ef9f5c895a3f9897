import fc from 'fast-check'
import { test } from 'tap'
import { lineSplitter, type Splitter, valueSplitter } from '../../../src/rest/stream/split.ts'
import { withoutMark } from '../../../src/rest/stream/upload.ts'
import { serveStreams } from './serve-streams.ts'

const maxBytes = 200

/** The messages of a body that comes in these pieces, or the reason why it is refused. */
async function split(pieces: readonly Uint8Array[], splitter: Splitter) {
  const found: string[] = []
  async function* chunks() {
    yield* pieces
  }
  try {
    for await (const chunk of withoutMark(chunks()))
      for (const message of splitter.push(chunk)) found.push(Buffer.from(message).toString())
    for (const message of splitter.end()) found.push(Buffer.from(message).toString())
  } catch (err) {
    return { found, refused: (err as Error).message }
  }
  return { found }
}

/** A body cut at some of its bytes, also within a character. */
function cut(body: Buffer, at: readonly number[]): Buffer[] {
  const cuts = [0, ...at.map((each) => each % (body.length + 1)), body.length]
  const sorted = cuts.toSorted((a, b) => a - b)
  return sorted.slice(1).map((end, index) => body.subarray(sorted[index], end))
}

const value = fc.oneof(
  fc.dictionary(fc.string({ unit: 'binary', maxLength: 5 }), fc.jsonValue({ maxDepth: 2 }), {
    maxKeys: 3,
    noNullPrototype: true,
  }),
  fc.constantFrom({}, { a: '}"]' }, { a: '\\"' }, { a: [{}, []] }, { é: '€😀' }),
)
const values = fc.array(
  value.filter((each) => Buffer.byteLength(JSON.stringify(each)) <= maxBytes),
  { maxLength: 8 },
)
const cuts = fc.array(fc.nat(), { maxLength: 12 })
const mark = fc.constantFrom('', '\ufeff')
const space = fc.constantFrom('', ' ', '\n', '\r\n', '\t \n')
const runs = { numRuns: Number(process.env.SPLIT_RUNS ?? 2000) }

test('lines are found wherever their body is cut', async (t) => {
  const lineEnd = fc.constantFrom('\n', '\r\n', '\n\n', ' \r\n')
  await fc.assert(
    fc.asyncProperty(values, cuts, mark, lineEnd, fc.boolean(), async (all, at, bom, end, last) => {
      const texts = all.map((each) => JSON.stringify(each))
      const body = Buffer.from(bom + texts.join(end) + (last ? end : ''))
      const { found, refused } = await split(cut(body, at), lineSplitter(maxBytes + 2))
      return (
        refused === undefined &&
        JSON.stringify(found.map((text) => text.trim())) === JSON.stringify(texts)
      )
    }),
    runs,
  )
  t.pass()
})

test('values are found wherever their body is cut', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      values,
      cuts,
      mark,
      space,
      fc.boolean(),
      async (all, at, bom, gap, isArray) => {
        const texts = all.map((each) => JSON.stringify(each))
        const inside = texts.join(isArray ? `${gap},${gap}` : gap)
        const body = isArray ? `${gap}[${gap}${inside}${gap}]${gap}` : gap + inside + gap
        const pieces = cut(Buffer.from(bom + body), at)
        const { found, refused } = await split(pieces, valueSplitter(maxBytes))
        return refused === undefined && JSON.stringify(found) === JSON.stringify(texts)
      },
    ),
    runs,
  )
  t.pass()
})

test('any bytes are split the same wherever they are cut, and no message is too large', async (t) => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc
      .array(fc.constantFrom(...'[]{}",:\\ \n\r1a'.split('')), { maxLength: 60 })
      .map((all) => Buffer.from(all.join(''))),
  )
  for (const make of [lineSplitter, valueSplitter])
    await fc.assert(
      fc.asyncProperty(bytes, cuts, async (body, at) => {
        const whole = await split([body], make(maxBytes))
        const pieces = await split(cut(Buffer.from(body), at), make(maxBytes))
        const fits = whole.found.every((each) => Buffer.byteLength(each) <= 3 * maxBytes)
        // A message that is too large is told at the piece with which it is.
        return fits && JSON.stringify(whole) === JSON.stringify(pieces)
      }),
      runs,
    )
  t.pass()
})

test('a line without an end is refused when it is too long, and not kept', async (t) => {
  for (const make of [lineSplitter, valueSplitter]) {
    const splitter = make(1000)
    const piece = Buffer.from(`{"a":"${'x'.repeat(400)}`)
    t.strictSame([...splitter.push(piece)], [])
    t.strictSame([...splitter.push(Buffer.alloc(500, 'x'))], [])
    t.throws(() => [...splitter.push(Buffer.alloc(500, 'x'))], {
      message: /larger than 1000 bytes/,
    })
  }
})

test('white space between messages may be longer than one', async (t) => {
  const space = `${' '.repeat(500)}\n`.repeat(3)
  for (const make of [lineSplitter, valueSplitter]) {
    const splitter = make(100)
    const pieces = [space, `${space}{"a":1}\n${space}`, `${space}{}\n ${space}`, space]
    const found = pieces.flatMap((piece) => [...splitter.push(Buffer.from(piece))].map(String))
    t.strictSame([...found, ...splitter.end()], ['{"a":1}', '{}'])
  }
})

test('no streamed request makes the server fail', async (t) => {
  const { ask } = await serveStreams(
    t,
    {
      async collect(requests) {
        let count = 0
        for await (const _ of requests) count += 1
        return { count }
      },
    },
    { bodyLimit: 100 },
  )
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc
      .array(fc.constantFrom('{"text":"a"}', '{', '}', '[', ']', ',', '"', '\n', '\r', '\\', '1'), {
        maxLength: 20,
      })
      .map((all) => Buffer.from(all.join(''))),
  )
  const type = fc.constantFrom('application/json', 'application/x-ndjson')
  await fc.assert(
    fc.asyncProperty(body, type, async (bytes, contentType) => {
      const headers = { 'content-type': contentType }
      const answer = await ask.h2c({
        method: 'POST',
        target: '/v1/den/items',
        headers,
        body: bytes,
      })
      return [200, 400, 413].includes(answer.status)
    }),
    { numRuns: 300 },
  )
  t.pass()
})
