import { Code, ConnectError } from '@connectrpc/connect'
import type { EnvelopedMessage } from '@connectrpc/connect/protocol'
import { setImmediate as nextTurn } from 'node:timers/promises'

/** Chunks between two turns of the event loop, for a client that sends a byte in each. */
const chunksOfTurn = 256
const headBytes = 5

/**
 * Cuts a body into its messages with their flags, as Connect's transformSplitEnvelope does, which looks at
 * all parts of a message again for each chunk: 60,000 chunks of a byte took it a minute, in which nothing
 * else ran. Throws RESOURCE_EXHAUSTED, and INVALID_ARGUMENT for a message that is cut off.
 */
export async function* splitEnvelopes(
  chunks: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<EnvelopedMessage> {
  const envelope = openEnvelope(maxBytes)
  let count = 0
  for await (const chunk of chunks) {
    count += 1
    if (count % chunksOfTurn === 0) await nextTurn()
    let from = 0
    while (from < chunk.byteLength) {
      from += envelope.fill(chunk.subarray(from))
      const message = envelope.whole()
      if (message) yield message
    }
  }
  if (envelope.isOpen())
    throw new ConnectError('protocol error: incomplete envelope', Code.InvalidArgument)
}

/** The message that is being read: its head first, then its data. */
function openEnvelope(maxBytes: number) {
  const head = Buffer.alloc(headBytes)
  let data: Uint8Array | undefined
  let at = 0

  /** The place for the data, once the head says how long they are. */
  function begin(): void {
    const length = head.readUInt32BE(1)
    if (length > maxBytes)
      throw new ConnectError(
        `message size ${length} is larger than ${maxBytes}`,
        Code.ResourceExhausted,
      )
    data = new Uint8Array(length)
    at = 0
  }

  return {
    /** Takes what belongs to this message, at most up to the end of its head; says how many bytes. */
    fill(bytes: Uint8Array): number {
      const target = data ?? head
      const part = bytes.subarray(0, target.byteLength - at)
      target.set(part, at)
      at += part.byteLength
      if (data === undefined && at === headBytes) begin()
      return part.byteLength
    },
    /** The message if it is complete; the next one begins then. */
    whole(): EnvelopedMessage | undefined {
      if (data === undefined || at < data.byteLength) return undefined
      const message = { flags: head[0] ?? 0, data }
      data = undefined
      at = 0
      return message
    },
    isOpen: (): boolean => data !== undefined || at > 0,
  }
}
