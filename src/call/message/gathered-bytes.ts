/**
 * The bytes of a body as they come, in one buffer that grows. A list of the chunks would take hundreds of
 * bytes for each, and the packets that they lie in, and a client may send a chunk for each byte.
 */
export function gatheredBytes() {
  let buffer: Buffer = Buffer.alloc(0)
  let size = 0
  /** The only chunk is kept as it is, since most bodies have one. */
  let isOwn = false

  function makeRoom(wanted: number): void {
    if (isOwn && wanted <= buffer.byteLength) return
    const larger = Buffer.allocUnsafeSlow(wanted * 2)
    larger.set(buffer.subarray(0, size))
    buffer = larger
    isOwn = true
  }

  return {
    add(chunk: Uint8Array): void {
      const wanted = size + chunk.byteLength
      if (size === 0) {
        buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
        isOwn = false
      } else {
        makeRoom(wanted)
        buffer.set(chunk, size)
      }
      size = wanted
    },
    size: () => size,
    /** All bytes so far. */
    bytes: (): Buffer => buffer.subarray(0, size),
  }
}
