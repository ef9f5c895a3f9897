import { randomFillSync } from 'node:crypto'

const traceBytes = 16
const spanBytes = 8

// One call for many random bytes is cheaper than one for each id.
const page = Buffer.alloc(4096)
let used = page.length

function hex(bytes: number): string {
  if (used + bytes > page.length) {
    randomFillSync(page)
    used = 0
  }
  const text = page.toString('hex', used, used + bytes)
  used += bytes
  // W3C Trace Context calls an id of zeros invalid.
  return /[^0]/.test(text) ? text : hex(bytes)
}

/** A trace id of W3C Trace Context: 32 hexadecimal digits. */
export const newTraceId = (): string => hex(traceBytes)

/** A span id of W3C Trace Context: 16 hexadecimal digits. */
export const newSpanId = (): string => hex(spanBytes)
