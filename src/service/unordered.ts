/**
 * Works on items as they come, up to `maxOpen` at once, and gives each result when it is there. Reads no
 * further item while so many are worked on or have a result that is not read yet. `work` must not fail;
 * what the items fail with comes through.
 */
export async function* unordered<Item, Result>(
  items: AsyncIterable<Item>,
  maxOpen: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const results: Result[] = []
  let news = Promise.withResolvers<void>()
  let room = Promise.withResolvers<void>()
  let open = 0
  let failure: { err: unknown } | undefined
  let isRead = false

  async function begin(item: Item): Promise<void> {
    results.push(await work(item))
    news.resolve()
  }

  async function read(): Promise<void> {
    try {
      for await (const item of items) {
        open += 1
        void begin(item)
        if (open >= maxOpen) await room.promise
      }
    } catch (err) {
      failure = { err }
    }
    isRead = true
    news.resolve()
  }

  void read()
  for (;;) {
    await news.promise
    news = Promise.withResolvers()
    for (const result of results.splice(0)) {
      yield result
      open -= 1
      room.resolve()
      room = Promise.withResolvers()
    }
    if (failure) throw failure.err
    if (isRead && open === 0) return
  }
}
