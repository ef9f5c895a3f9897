import { pipeline, Readable } from 'node:stream'
import { createBrotliDecompress, createGunzip, createZstdDecompress } from 'node:zlib'
import { malformedBody } from '../call/message/json-message.ts'
import { type Coding, zstdWindow } from './codings.ts'
import { bodyTooLarge } from './errors.ts'
import { zstdFrames } from './zstd-frames.ts'

const decoders = {
  zstd: () => createZstdDecompress(zstdWindow),
  br: createBrotliDecompress,
  gzip: createGunzip,
}

/**
 * A body that comes in parts, without its coding. Throws MALFORMED_BODY. The chunks that come out of a
 * decoder are small, however much a few bytes stand for.
 */
export async function* decoded(
  sent: AsyncIterable<Uint8Array>,
  coding: Coding,
): AsyncGenerator<Uint8Array> {
  let fed = 0
  async function* counted(chunks: AsyncIterable<Uint8Array>) {
    for await (const chunk of chunks) {
      fed += chunk.byteLength
      yield chunk
    }
  }
  const source = Readable.from(counted(coding === 'zstd' ? zstdFrames(sent) : sent))
  let failure: unknown
  source.once('error', (err) => (failure = err))
  const decoder = decoders[coding]()
  // An error of either is thrown by the reading below.
  const output = pipeline(source, decoder, () => undefined)
  try {
    yield* output as AsyncIterable<Uint8Array>
  } catch (cause) {
    if (failure !== undefined) throw failure as Error
    throw notInCoding(coding, cause)
  }
  if (!isWhole(coding, decoder, fed)) throw notInCoding(coding)
}

/** Whether a decoder has taken all that it got: the others drop what follows; gzip may end in zeros. */
export function isWhole(
  coding: Coding,
  { bytesWritten }: { bytesWritten: number },
  fed: number,
): boolean {
  return coding === 'gzip' || bytesWritten === fed
}

/** The refusal of a body that is not in the coding that its head names. */
export function notInCoding(coding: Coding, cause?: unknown) {
  return malformedBody(`the body is not ${coding}, as its Content-Encoding says`, { cause })
}

/** The same chunks. Throws BODY_TOO_LARGE once they are longer than `maxBytes` together. */
export async function* limited(
  chunks: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<Uint8Array> {
  let size = 0
  for await (const chunk of chunks) {
    size += chunk.byteLength
    if (size > maxBytes) throw bodyTooLarge(maxBytes)
    yield chunk
  }
}
