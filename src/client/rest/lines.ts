const lineFeed = 0x0a
const carriageReturn = 0x0d

/** Thrown for a line of more bytes than the limit. */
export class LongLine extends Error {
  override readonly name = 'LongLine'
}

/**
 * Splits bytes into lines, which end by LF, CR or both, as those of server-sent events may; the last
 * one need not end. Throws LongLine, and a TypeError for what is not UTF-8.
 */
export async function* linesOf(
  chunks: AsyncIterable<Buffer>,
  maxBytes: number,
): AsyncGenerator<string> {
  const line = growingLine(maxBytes)
  let afterReturn = false
  for await (const chunk of chunks) {
    if (chunk.length === 0) continue
    let start = afterReturn && chunk[0] === lineFeed ? 1 : 0
    afterReturn = false
    for (let end = endOfLine(chunk, start); end < chunk.length; end = endOfLine(chunk, start)) {
      line.add(chunk.subarray(start, end))
      yield line.take()
      start = end + 1
      if (chunk[end] !== carriageReturn) continue
      if (start === chunk.length) afterReturn = true
      else if (chunk[start] === lineFeed) start += 1
    }
    line.add(chunk.subarray(start))
  }
  if (line.size() > 0) yield line.take()
}

/** The index of the first line break; the length of the chunk if there is none. */
function endOfLine(chunk: Buffer, start: number): number {
  let at = start
  while (at < chunk.length && chunk[at] !== lineFeed && chunk[at] !== carriageReturn) at += 1
  return at
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function growingLine(maxBytes: number) {
  let parts: Buffer[] = []
  let size = 0
  return {
    size: () => size,
    add(part: Buffer): void {
      size += part.byteLength
      if (size > maxBytes) throw new LongLine(`a line has more than ${maxBytes} bytes`)
      if (part.byteLength > 0) parts.push(part)
    },
    take(): string {
      const [only] = parts
      const text = utf8.decode(parts.length === 1 ? only : Buffer.concat(parts))
      parts = []
      size = 0
      return text
    },
  }
}
