// Decoding and checking takes about 15 µs a KiB: a hundred messages of this size take 25 ms together.
const largeFromBytes = 16 * 1024
// An event loop of libuv accepts one connection a turn.
const turnsBetween = 8

const waiting: (() => void)[] = []

/**
 * The time to decode a message whose bytes are all there: undefined for now; a promise if the message is
 * large, since of those one is decoded in a few turns of the event loop. Large messages that arrive
 * together would otherwise hold up every call that came after them, health checks too.
 */
export function decodingTurn({ byteLength }: Uint8Array): Promise<void> | undefined {
  if (byteLength < largeFromBytes) return undefined
  const { promise, resolve } = Promise.withResolvers<void>()
  if (waiting.push(resolve) === 1) setImmediate(pass, turnsBetween)
  return promise
}

function pass(turns: number): void {
  if (turns > 1) return void setImmediate(pass, turns - 1)
  waiting.shift()?.()
  if (waiting.length > 0) setImmediate(pass, turnsBetween)
}
