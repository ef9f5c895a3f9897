import { test } from 'tap'
import { unordered } from '../../src/service/unordered.ts'

/** Work that ends when it is told to, and the items that it was given. */
function manual() {
  const begun = new Map<number, () => void>()
  function work(item: number): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<number>()
    begun.set(item, () => resolve(item))
    return promise
  }
  return { work, begun }
}

/** Counts to a number, and how far it was read. */
function counting(end: number) {
  const items = {
    read: 0,
    async *[Symbol.asyncIterator]() {
      while (items.read < end) yield (items.read += 1)
    },
  }
  return items
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('results come in the order in which they are there', async (t) => {
  const { work, begun } = manual()
  const results = unordered(counting(3), 32, work)
  const first = results.next()
  await turn()
  begun.get(2)?.()
  t.strictSame(await first, { done: false, value: 2 })
  begun.get(3)?.()
  begun.get(1)?.()
  t.strictSame([(await results.next()).value, (await results.next()).value], [3, 1])
  t.equal((await results.next()).done, true)
})

test('no more is read than may be open, results that nobody has read among them', async (t) => {
  const { work, begun } = manual()
  const items = counting(100)
  const results = unordered(items, 4, work)
  const first = results.next()
  await turn()
  t.equal(items.read, 4)
  for (const end of begun.values()) end()
  await first
  await turn()
  t.equal(items.read, 4, 'the first is not known to be handled')
  await results.next()
  await turn()
  t.equal(items.read, 5)
})

test('all results come, however many there are', async (t) => {
  const all: number[] = []
  for await (const result of unordered(counting(1000), 8, async (item) => item)) all.push(result)
  t.equal(new Set(all).size, 1000)
})

test('what the items fail with comes after the results that are there', async (t) => {
  const broken = new Error('broken')
  async function* items() {
    yield 1
    await turn()
    throw broken
  }
  const results = unordered(items(), 8, async (item) => item)
  t.equal((await results.next()).value, 1)
  t.equal(await t.rejects(results.next()), broken)
})
