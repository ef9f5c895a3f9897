/** A frame of zstd (RFC 8878, 3.1.1) that has the text in one raw block, and asks for a window of 2 to the `log` bytes. */
export function zstdFrame(text: string, log: number): Buffer {
  const data = Buffer.from(text)
  const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3, 0, 0, 0])
  const last = 1
  head.writeUIntLE((data.length << 3) | last, 6, 3)
  return Buffer.concat([head, data])
}
