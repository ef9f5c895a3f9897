import { test } from 'tap'
import { callQueue } from '../../../src/server/admission/call-queue.ts'
import { fakeClock } from './fake-clock.ts'

/** A queue that tells what becomes of those that join it. */
function queueOf(names: readonly string[], { max = 100, timeoutMs }: QueueOptions = {}) {
  const time = fakeClock()
  const queue = callQueue(() => max, time.clock)
  const told: string[] = []
  const join = (name: string) =>
    queue.join(
      {
        begin: () => void told.push(`${name} begun`),
        refuse: () => void told.push(`${name} refused`),
        expire: () => void told.push(`${name} expired`),
      },
      timeoutMs,
    )
  return { queue, time, told, join, leave: names.map(join) }
}

interface QueueOptions {
  max?: number
  timeoutMs?: number
}

test('the oldest begins first, as many as there is room for', (t) => {
  const { queue, told, join } = queueOf(['a', 'b', 'c'])
  let room = 2
  queue.proceed(() => room-- > 0)
  t.same(told, ['a begun', 'b begun'])
  t.equal(queue.size, 1)
  join('d')
  queue.proceed(() => true)
  t.same(told, ['a begun', 'b begun', 'c begun', 'd begun'])
  t.end()
})

test('a full queue takes nobody until one has left', (t) => {
  const { queue, leave, join } = queueOf(['a', 'b', 'c'], { max: 2 })
  t.equal(leave[2], undefined)
  t.equal(queue.size, 2)
  leave[0]?.()
  t.ok(join('d'))
  t.equal(join('e'), undefined)
  t.end()
})

test('a queue without places takes nobody', (t) => {
  t.same(queueOf(['a'], { max: 0 }).leave, [undefined])
  t.end()
})

test('a client that gives a time has waited in vain after it, any other after five seconds', (t) => {
  for (const [timeoutMs, end] of [
    [300, 'expired'],
    [60_000, 'refused'],
    [undefined, 'refused'],
  ] as const) {
    const { queue, time, told } = queueOf(['a'], timeoutMs === undefined ? {} : { timeoutMs })
    time.pass(Math.min(timeoutMs ?? 5000, 5000) - 1)
    t.same(told, [], `${timeoutMs}`)
    time.pass(1)
    t.same(told, [`a ${end}`], `${timeoutMs}`)
    t.equal(queue.size, 0)
  }
  t.end()
})

test('a waiter that has left is told nothing', (t) => {
  const { queue, time, told, leave } = queueOf(['a', 'b', 'c'])
  for (const index of [0, 2]) t.equal(leave[index]?.(), true)
  t.equal(leave[0]?.(), false, 'only once')
  time.pass(6000)
  queue.proceed(() => true)
  t.same(told, ['b refused'])
  t.end()
})

test('a waiter that has begun is told nothing more', (t) => {
  const { queue, time, told, leave } = queueOf(['a'], { timeoutMs: 10 })
  queue.proceed(() => true)
  t.equal(leave[0]?.(), false)
  time.pass(6000)
  t.same(told, ['a begun'])
  t.equal(time.pending, 0)
  t.end()
})
