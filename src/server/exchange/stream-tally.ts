/** What an exchange that streams has carried so far. */
export interface StreamTally {
  /** Messages of the request and of the answer. */
  received: number
  sent: number
  /** Bytes of the two bodies as they went over the wire, without framing of HTTP. */
  bytesReceived: number
  bytesSent: number
  /** Counts a message. */
  message(direction: Direction): void
  /** Is told of each message. */
  noted: (direction: Direction) => void
}

/** Whether a message came with the request or leaves with the answer. */
export type Direction = 'received' | 'sent'

/** Counts the bytes of both bodies from now on, and messages as it is told. */
export function streamTally(request: Counted, response: Counted): StreamTally {
  const tally: StreamTally = {
    received: 0,
    sent: 0,
    bytesReceived: 0,
    bytesSent: 0,
    message(direction) {
      tally[direction] += 1
      tally.noted(direction)
    },
    noted: () => undefined,
  }
  before(request, 'push', (chunk) => (tally.bytesReceived += lengthOf(chunk)))
  // What streams ends without a last chunk, so that `end` need not be counted.
  before(response, 'write', (chunk) => (tally.bytesSent += lengthOf(chunk)))
  return tally
}

/** A request or a response of either version of HTTP. */
type Counted = object

type Method = (...args: unknown[]) => unknown

/** Has a method of one object call `see` with its first argument. */
function before(object: Counted, name: 'push' | 'write', see: (chunk: unknown) => void): void {
  const method = (object as Record<typeof name, Method>)[name].bind(object)
  Object.assign(object, {
    [name](...args: unknown[]) {
      see(args[0])
      return method(...args)
    },
  })
}

function lengthOf(chunk: unknown): number {
  if (typeof chunk === 'string') return Buffer.byteLength(chunk)
  return chunk instanceof Uint8Array ? chunk.byteLength : 0
}
