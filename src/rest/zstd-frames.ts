import { malformedBody } from '../call/message/json-message.ts'

/** The longest part of a frame that is read; of others only the length counts. */
const headBytes = 4
/** The magic number of a frame that gives nothing, without its last four bits. */
const skippable = 0x184d2a5
const hasChecksum = 0x04
const isSingleSegment = 0x20
const isLastBlock = 0x01
const blockType = 0x06
/** A block of this type is one byte, whatever the size in its head. */
const repeated = 0x02

/**
 * How many frames a body may have, and one more for each of so many bytes. The decoder takes a tenth of a
 * millisecond for each, and 80,000 empty ones are a megabyte.
 */
const maxFrames = 1000
const bytesAFrame = 1024

/**
 * Cuts a body of zstd at the ends of its frames. Its content is that of all of them (RFC 8878, 3.1), but
 * node's decoder ends where a frame does before the end of a chunk. What is no frame is left for the
 * decoder to refuse. Throws MALFORMED_BODY for very many frames in few bytes.
 */
export async function* zstdFrames(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const frame = openFrame()
  let allowed = maxFrames
  for await (const chunk of chunks) {
    allowed += chunk.byteLength / bytesAFrame
    let from = 0
    while (from < chunk.byteLength) {
      const end = frame.endIn(chunk, from)
      if (end < chunk.byteLength) allowed -= 1
      if (allowed < 0) throw malformedBody('the body has too many frames of zstd for its length')
      yield chunk.subarray(from, end)
      from = end
    }
  }
}

function openFrame() {
  const head = Buffer.alloc(headBytes)
  let parts = partsOf(head)
  let size = headBytes
  let left = 0

  /** Goes on to the next part of the frame. Returns whether there was none. */
  function isOver(): boolean {
    const { done, value } = parts.next()
    if (done === true) parts = partsOf(head)
    else size = left = value
    return done === true
  }

  return {
    /** Where the frame that goes on at `from` ends in the chunk: at the end of the chunk if it does not. */
    endIn(chunk: Uint8Array, from: number): number {
      let at = from
      for (;;) {
        while (left === 0) if (isOver()) return at
        if (at === chunk.byteLength) return at
        const step = size > headBytes ? Math.min(left, chunk.byteLength - at) : 1
        if (size <= headBytes) head[size - left] = chunk[at] ?? 0
        at += step
        left -= step
      }
    },
  }
}

/** The lengths of the parts of a frame (RFC 8878, 3.1.1). Each is asked for when `head` has the one before. */
function* partsOf(head: Buffer): Generator<number, void> {
  yield headBytes
  if (head.readUInt32LE() >>> 4 === skippable) {
    yield 4
    return yield head.readUInt32LE()
  }
  yield 1
  const descriptor = head.readUInt8()
  yield restOfHeader(descriptor)
  for (let block = 0; (block & isLastBlock) === 0;) {
    yield 3
    block = head.readUIntLE(0, 3)
    yield (block & blockType) === repeated ? 1 : block >>> 3
  }
  if (descriptor & hasChecksum) yield 4
}

/** The length of the window's descriptor, the dictionary's id and the size of the content. */
function restOfHeader(descriptor: number): number {
  const [window, shortest] = descriptor & isSingleSegment ? [0, 1] : [1, 0]
  const dictionary = [0, 1, 2, 4][descriptor & 3] ?? 0
  return window + dictionary + ([shortest, 2, 4, 8][descriptor >>> 6] ?? 0)
}
