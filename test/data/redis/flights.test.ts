import { setImmediate as others } from 'node:timers/promises'
import { test } from 'tap'
import { type Boarding, flights } from '../../../src/data/redis/flights.ts'

const never = new AbortController().signal

/** Callers of one key, whose work closes at once and ends when it is let go. */
function callers() {
  const flying = flights<number>()
  const begun: { signal: AbortSignal; end: (value: number) => void }[] = []
  function work({ signal, close }: Boarding): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<number>()
    close()
    begun.push({ signal, end: resolve })
    return promise
  }
  return { begun, flying, get: (signal = never) => flying.get('key', work, signal) }
}

test('callers that come after work has closed share the next, which waits for its end', async (t) => {
  const { begun, flying, get } = callers()
  const first = get()
  await others()
  t.notOk(flying.has('key'))
  const later = Array.from({ length: 100 }, () => get())
  t.ok(flying.has('key'))
  await others()
  t.equal(begun.length, 1)
  begun[0]?.end(1)
  t.equal(await first, 1)
  await others()
  t.equal(begun.length, 2)
  const last = get()
  begun[1]?.end(2)
  t.same(new Set(await Promise.all(later)), new Set([2]))
  await others()
  begun[2]?.end(3)
  t.equal(await last, 3)
  t.equal(begun.length, 3)
})

test('where all that wait for the next work give up, a later caller waits all the same', async (t) => {
  const { begun, get } = callers()
  const first = get()
  await others()
  const gone = new AbortController()
  const waiting = get(gone.signal)
  gone.abort(new Error('gone'))
  await t.rejects(waiting, { message: 'gone' })
  const late = get()
  await others()
  t.equal(begun.length, 1)
  begun[0]?.end(1)
  t.equal(await first, 1)
  await others()
  begun[1]?.end(2)
  t.equal(await late, 2)
  t.equal(begun.length, 2, 'nothing was begun for the one that gave up')
})

test('where all that wait for work give up, the next begins when it has ended', async (t) => {
  const { begun, get } = callers()
  const gone = new AbortController()
  const first = get(gone.signal)
  await others()
  const late = get()
  gone.abort(new Error('gone'))
  await t.rejects(first, { message: 'gone' })
  t.ok(begun[0]?.signal.aborted)
  begun[0]?.end(1)
  await others()
  begun[1]?.end(2)
  t.equal(await late, 2)
})
