import type { DescMessage, DescMethodStreaming, MessageInitShape } from '@bufbuild/protobuf'

type Init = MessageInitShape<DescMessage>

/** The messages that a streaming call sends, for several tries. */
export interface Input {
  /** The messages from the first on, for one try. */
  messages(): AsyncIterable<Init>
  /** Whether a further try would still send all of them. */
  isWhole(): boolean
}

/**
 * Makes the messages of a call readable for more than one try. The one message of a server stream is
 * kept. Those of other streams are not: once one was read, they are no longer whole. The source is not
 * told of a try that ends before that, since it would be at its end for the next one, too.
 */
export function repeatable(
  source: AsyncIterable<Init>,
  { methodKind }: DescMethodStreaming,
): Input {
  const kept = methodKind === 'server_streaming' ? keptOnce(source) : undefined
  if (kept) return { messages: kept, isWhole: () => true }
  const iterator = source[Symbol.asyncIterator]()
  let untouched = true
  const reader: AsyncIterator<Init> = {
    next() {
      untouched = false
      return iterator.next()
    },
    async return(value?: unknown) {
      if (!untouched) await iterator.return?.(value)
      return { done: true, value }
    },
    // Connect refuses an iterator without it.
    async throw(err?: unknown) {
      if (untouched || iterator.throw === undefined) throw err
      return iterator.throw(err)
    },
  }
  return { messages: () => ({ [Symbol.asyncIterator]: () => reader }), isWhole: () => untouched }
}

function keptOnce(source: AsyncIterable<Init>): () => AsyncIterable<Init> {
  let first: Promise<IteratorResult<Init>> | undefined
  return async function* messages() {
    first ??= source[Symbol.asyncIterator]().next()
    const { done, value } = await first
    if (done !== true) yield value
  }
}
