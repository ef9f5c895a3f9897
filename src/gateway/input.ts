/**
 * The same messages, and the error that reading them has ended with: the call that sends them fails with
 * one of its own, which says less.
 */
export function rememberedInput<T>(messages: AsyncIterable<T>) {
  let failure: unknown
  async function* remembered() {
    try {
      yield* messages
    } catch (err) {
      failure = err
      throw err
    }
  }
  return { messages: remembered(), failure: () => failure }
}
