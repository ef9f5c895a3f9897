import type { Row } from './serve-streams.ts'

const textLength = 1000
const chunkLength = 65_536

/** The message of this place in a large stream. */
export function eventAt(index: number): Row & { text: string } {
  return { text: `${index}`.padEnd(textLength, 'x'), number: BigInt(index) }
}

/** Its line. */
export function lineAt(index: number): string {
  const { text } = eventAt(index)
  return `{"resumeToken":"","text":"${text}","number":"${index}"}\n`
}

/** The bytes of this place in a large file. */
export function chunkAt(index: number): Buffer {
  const chunk = Buffer.alloc(chunkLength, index % 251)
  chunk.writeUInt32BE(index)
  return chunk
}

/** How many of them make so many bytes. */
export const countsOf = (bytes: number) => ({
  lines: Math.ceil(bytes / lineAt(0).length),
  chunks: Math.ceil(bytes / chunkLength),
})
