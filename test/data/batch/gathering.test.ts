import { AsyncLocalStorage } from 'node:async_hooks'
import { setImmediate as turn } from 'node:timers/promises'
import { test } from 'tap'
import { together } from '../../../src/data/batch/coalesced-reads.ts'
import { gathering, type Sharer } from '../../../src/data/batch/gathering.ts'
import { type Shared, unobserved } from '../../../src/data/statement-observer.ts'

interface Sent {
  items: number[]
  calls: readonly Sharer<number, string>[]
  shared: Shared | undefined
  signal: AbortSignal
  end: PromiseWithResolvers<void>
}

const never = new AbortController().signal

/** A gathering whose statements are ended by the test. */
function gathered(recorded?: () => object | undefined) {
  const sent: Sent[] = []
  const ask = gathering<number, string>({
    fit: (waiting) => Math.min(waiting, 4),
    recorded,
    async alone(item, signal) {
      const end = Promise.withResolvers<void>()
      sent.push({ items: [item], calls: [], shared: undefined, signal, end })
      await end.promise
      return `alone ${item}`
    },
    async together(calls, signal, shared) {
      const items = calls.map(({ item }) => item)
      const end = Promise.withResolvers<void>()
      sent.push({ items, calls, shared, signal, end })
      await end.promise
      for (const { item, resolve } of calls) resolve(`together ${item}`)
    },
  })
  return { ask, sent, items: () => sent.map(({ items }) => items) }
}

async function reasonOf(work: Promise<unknown> | undefined): Promise<unknown> {
  const [result] = await Promise.allSettled([work])
  return result?.status === 'rejected' ? result.reason : undefined
}

test('a call that finds none under way goes alone and at once, by its own signal', async (t) => {
  const { ask, sent } = gathered()
  const answer = ask(1, never)
  t.match(sent, [{ items: [1], signal: never }])
  sent[0]?.end.resolve()
  t.equal(await answer, 'alone 1')
  void ask(2, never)
  t.equal(sent.length, 2)
})

test('calls that come while one is under way share the next statement, as many as fit', async (t) => {
  const { ask, sent, items } = gathered()
  const answers = [1, 2, 3, 4, 5, 6].map((item) => ask(item, never))
  await turn()
  t.strictSame(items(), [[1], [2, 3, 4, 5]])
  sent[0]?.end.resolve()
  await turn()
  await turn()
  t.strictSame(items(), [[1], [2, 3, 4, 5], [6]])
  for (const { end } of sent) end.resolve()
  t.strictSame(await Promise.all(answers), [
    'alone 1',
    'together 2',
    'together 3',
    'together 4',
    'together 5',
    'alone 6',
  ])
})

test('a statement that takes long does not keep others from being sent', async (t) => {
  const { ask, items } = gathered()
  for (const item of [1, 2, 3]) void ask(item, never)
  await turn()
  void ask(4, never)
  while (items().length < 3) await turn()
  t.strictSame(items(), [[1], [2, 3], [4]])
})

test('a call that gives up fails with its own reason, and its statement goes on', async (t) => {
  const { ask, sent } = gathered()
  void ask(1, never)
  const [one, other] = [new AbortController(), new AbortController()]
  const answers = [ask(2, one.signal), ask(3, other.signal)]
  await turn()
  const reason = new Error('one gives up')
  one.abort(reason)
  t.equal(await reasonOf(answers[0]), reason)
  t.equal(sent[1]?.signal.aborted, false)
  sent[1]?.end.resolve()
  t.equal(await answers[1], 'together 3')
  t.equal(sent[1]?.signal.aborted, false)
})

test('a statement is given up with the last of its calls', async (t) => {
  const { ask, sent } = gathered()
  void ask(1, never)
  const [one, other] = [new AbortController(), new AbortController()]
  const answers = [ask(2, one.signal), ask(3, other.signal)]
  await turn()
  const reasons = [new Error('one'), new Error('other')]
  one.abort(reasons[0])
  other.abort(reasons[1])
  t.strictSame(
    (await Promise.allSettled(answers)).map((result) => 'reason' in result && result.reason),
    reasons,
  )
  t.equal(sent[1]?.signal.reason, reasons[1])
})

test('a call that gives up before its statement is sent is no part of it', async (t) => {
  const { ask, items } = gathered()
  void ask(1, never)
  const controller = new AbortController()
  const given = ask(2, controller.signal)
  void ask(3, never)
  void ask(4, never)
  controller.abort(new Error('gone'))
  await t.rejects(given, { message: 'gone' })
  await turn()
  t.strictSame(items(), [[1], [3, 4]])
})

test('a statement that fails fails each call that it has not served', async (t) => {
  const { ask, sent } = gathered()
  void ask(1, never)
  const answers = [ask(2, never), ask(3, never)]
  await turn()
  sent[1]?.calls[0]?.resolve('served')
  const failure = new Error('the statement')
  sent[1]?.end.reject(failure)
  t.equal(await answers[0], 'served')
  t.equal(await reasonOf(answers[1]), failure)
  sent[0]?.end.resolve()
  await turn()
  void ask(4, never)
  t.strictSame(sent[2]?.items, [4], 'the next call finds none under way')
})

test('a shared statement is a part of the first recorded call, and names all of them', async (t) => {
  const storage = new AsyncLocalStorage<{ name: string }>()
  const within: unknown[] = []
  const { ask, sent } = gathered(() => {
    const store = storage.getStore()
    return store?.name.startsWith('recorded') ? store : undefined
  })
  const names = ['first', 'other', 'recorded 1', 'recorded 2'].map((name) => ({ name }))
  const spy = sent.push.bind(sent)
  sent.push = (...more) => {
    within.push(storage.getStore())
    return spy(...more)
  }
  for (const [at, store] of names.entries()) void storage.run(store, () => ask(at, never))
  await turn()
  t.strictSame(sent[1]?.shared, { size: 3, calls: names.slice(2) })
  t.strictSame(within, [names[0], names[2]], 'each ran within its own call')
})

test('what is read together is never older than the call that asked for it', async (t) => {
  const reads: PromiseWithResolvers<number>[] = []
  const read = together<number>(unobserved, () => {
    const next = Promise.withResolvers<number>()
    reads.push(next)
    return next.promise
  })
  const first = read(never)
  const others = [read(never), read(never)]
  reads[0]?.resolve(1)
  t.equal(await first, 1)
  await turn()
  t.equal(reads.length, 2, 'the two share the next read')
  reads[1]?.resolve(2)
  t.strictSame(await Promise.all(others), [2, 2])
})
