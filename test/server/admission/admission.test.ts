import { EventEmitter } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'tap'
import { admission } from '../../../src/server/admission/admission.ts'
import { waitingLine } from '../../../src/server/admission/call-queue.ts'

interface CallOptions {
  url?: string
  hasBody?: boolean
  gone?: boolean
  timeoutMs?: number
  since?: number
  mayRest?: boolean
}

/** A call that tells what becomes of it. */
function call(options: CallOptions = {}) {
  const { url = '/v1/users', hasBody = false, gone = false, timeoutMs, mayRest = true } = options
  const { since = performance.now() } = options
  const events = new EventEmitter()
  const story: string[] = []
  return {
    story,
    arrival: {
      method: 'GET',
      url,
      headers: {},
      contentType: '',
      hasBody,
      at: performance.now(),
      since,
      mayRest,
      gone: () => gone,
      begin: () => void story.push('begun'),
      refuse: () => undefined,
      abort() {
        story.push('aborted')
        events.emit('close')
      },
      onReceived: (listener: () => void) => events.once('received', listener),
      onAnswered: (listener: () => void) => events.once('answered', listener),
      onClose: (listener: () => void) => events.once('close', listener),
    },
    never: {
      timeoutMs: () => timeoutMs,
      refused: () => void story.push('refused'),
      expired: () => void story.push('expired'),
      clientGone: () => void story.push('client gone'),
    },
    answer: () => void events.emit('answered'),
    receive: () => void events.emit('received'),
    close: () => void events.emit('close'),
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5)
}

test('a call above the limit waits, and begins when another ends', (t) => {
  const room = admission({ atOnce: 2, most: 10_000 })
  const calls = [call(), call(), call()]
  for (const { arrival, never } of calls) room.arrive(arrival, never)
  t.same(
    calls.map(({ story }) => story),
    [['begun'], ['begun'], []],
  )
  t.match(room, { active: 2, waiting: 1 })
  calls[0]?.close()
  t.same(calls[2]?.story, ['begun'])
  t.match(room, { active: 2, waiting: 0 })
  for (const { close } of calls) close()
  t.equal(room.active, 0)
  t.end()
})

test('connections rest unread while there is enough to do, and are read in turn when there is not', (t) => {
  const room = admission({ atOnce: 1, most: 10_000 })
  const calls = Array.from({ length: 5 }, () => call())
  const read: string[] = []
  for (const { arrival, never } of calls.slice(0, 4)) room.arrive(arrival, never)
  t.equal(
    room.holdBack(() => undefined),
    undefined,
    'three wait',
  )
  const last = calls[4]
  if (last) room.arrive(last.arrival, last.never)
  const taken = ['a', 'b', 'c', 'd'].map((name) => room.holdBack(() => read.push(name)))
  t.ok(taken.every(Boolean), 'four wait')
  taken[1]?.()
  calls[0]?.close()
  t.same(read, ['a', 'c'], 'b has gone')
  for (const { close } of calls.slice(1)) close()
  t.same(read, ['a', 'c', 'd'])
  t.end()
})

test('others that wait do not keep connections unread', (t) => {
  const room = admission({ atOnce: 1, most: 10_000 })
  const others = Array.from({ length: 50 }, () => call({ mayRest: false }))
  for (const { arrival, never } of others) room.arrive(arrival, never)
  t.equal(
    room.holdBack(() => undefined),
    undefined,
    'none of its kind waits',
  )
  const calls = Array.from({ length: 4 }, () => call())
  for (const { arrival, never } of calls) room.arrive(arrival, never)
  let read = false
  t.ok(room.holdBack(() => (read = true)))
  calls[0]?.close()
  others[0]?.close()
  t.ok(read, 'one of its kind has left')
  for (const { close } of [...others, ...calls]) close()
  t.end()
})

test('a call that has waited unread for longer than another begins first', (t) => {
  const room = admission({ atOnce: 1, most: 10_000 })
  const others = Array.from({ length: 3 }, () => call({ mayRest: false }))
  const rested = call({ since: performance.now() - 1000 })
  for (const { arrival, never } of [...others, rested]) room.arrive(arrival, never)
  others[0]?.close()
  t.same([others[1]?.story, rested.story], [[], ['begun']])
  for (const { close } of [...others, rested]) close()
  t.end()
})

test('no connection rests unread for longer than two seconds', async (t) => {
  const room = admission({ atOnce: 1, most: 10_000 })
  const calls = Array.from({ length: 5 }, () => call())
  for (const { arrival, never } of calls) room.arrive(arrival, never)
  const since = performance.now()
  const restedMs = await new Promise<number>((resolve) => {
    room.holdBack(() => resolve(performance.now() - since))
  })
  t.ok(restedMs > 1900, `${restedMs} ms`)
  t.equal(room.waiting, 4, 'though there is enough to do')
  for (const { close } of calls) close()
})

test('a call whose time is over while it waits leaves the line, and no other does', async (t) => {
  const room = admission({ atOnce: 1, most: 10_000 })
  const calls = [
    call({ timeoutMs: 1 }),
    call({ timeoutMs: 1 }),
    call({ timeoutMs: 60_000 }),
    call(),
  ]
  for (const { arrival, never } of calls) room.arrive(arrival, never)
  await until(() => room.waiting === 2)
  t.same(
    calls.map(({ story }) => story),
    [['begun'], ['expired'], [], []],
  )
  for (const { close } of calls) close()
  t.same(
    calls.map(({ story }) => story),
    [['begun'], ['expired'], ['begun'], ['begun']],
  )
})

test('a call that is answered gives its place away, once, though its client reads nothing', (t) => {
  const room = admission({ atOnce: 1, most: 10_000 })
  const [first, second] = [call(), call()]
  room.arrive(first.arrival, first.never)
  first.answer()
  room.arrive(second.arrival, second.never)
  t.same(second.story, ['begun'])
  first.close()
  t.equal(room.active, 1)
  second.close()
  t.end()
})

test('a call that waits in vain is refused, and takes no place', async (t) => {
  const room = admission({ atOnce: 1, most: 1 })
  const [first, second] = [call(), call()]
  room.arrive(first.arrival, first.never)
  room.arrive(second.arrival, second.never)
  await until(() => second.story.length > 0)
  t.same(second.story, ['refused'])
  t.match(room, { active: 1, waiting: 0 })
})

test('connections have few streams from when more calls wait than may to when few do', async (t) => {
  const room = admission({ atOnce: 10, most: 20 })
  t.equal(room.streamsEach(1), undefined)
  const calls = Array.from({ length: 20 }, () => call())
  const last = call()
  for (const { arrival, never } of calls) room.arrive(arrival, never)
  await sleep(50)
  t.equal(room.streamsEach(1), undefined, 'all have their place')
  room.arrive(last.arrival, last.never)
  await until(() => last.story.length > 0)
  t.same([1, 4, 1000].map(room.streamsEach), [80, 20, 8])
  for (const { close } of calls) close()
  await until(() => room.streamsEach(1) === undefined)
})

test('a client that leaves while it waits is told of once, and its call never begins', (t) => {
  const room = admission({ atOnce: 1, most: 10_000 })
  const [first, second] = [call(), call()]
  room.arrive(first.arrival, first.never)
  room.arrive(second.arrival, second.never)
  second.close()
  first.close()
  t.same(second.story, ['client gone'])
  t.match(room, { active: 0, waiting: 0 })
  t.end()
})

test('a call whose client has gone already takes no place', (t) => {
  const room = admission({ atOnce: 1, most: 1 })
  const { arrival, never, story } = call({ gone: true })
  room.arrive(arrival, never)
  t.same(story, ['client gone'])
  t.equal(room.active, 0)
  t.end()
})

test('when too many wait for their refusal, it comes at once', (t) => {
  const room = admission({ atOnce: 1, most: 3 })
  const calls = Array.from({ length: 2052 }, () => call())
  for (const { arrival, never } of calls) room.arrive(arrival, never)
  t.equal(room.waiting, 2050)
  t.same(calls.at(-1)?.story, ['refused'])
  for (const { close } of calls) close()
  t.end()
})

test('operators have a place of their own', (t) => {
  const room = admission({ atOnce: 1, most: 1 })
  const users = call()
  room.arrive(users.arrival, users.never)
  for (const url of [
    '/healthz',
    '/readyz?verbose',
    '/grpc.health.v1.Health/Watch',
    '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
    '/kratos.api.Metadata/ListServices',
  ]) {
    const [one, other] = [call({ url }), call({ url })]
    room.arrive(one.arrival, one.never)
    room.arrive(other.arrival, other.never)
    t.same([one.story, other.story], [['begun'], ['refused']], url)
    one.close()
  }
  const other = call({ url: '/healthz2' })
  room.arrive(other.arrival, other.never)
  t.same(other.story, [], 'what only looks like one waits')
  t.end()
  other.close()
})

test('a call whose body does not come gives its place away, and takes it back when it has come', async (t) => {
  const room = admission({ atOnce: 1, most: 10_000 })
  const [slow, quick] = [call({ hasBody: true }), call()]
  room.arrive(slow.arrival, slow.never)
  t.equal(room.active, 1)
  await until(() => room.active === 0)
  room.arrive(quick.arrival, quick.never)
  t.same([slow.story, quick.story], [['begun'], ['begun']])
  slow.receive()
  t.equal(room.active, 2, 'what is read already is not refused any more')
  slow.close()
  quick.close()
  t.equal(room.active, 0)
})

test('a body that comes at once keeps its place, and one that comes after the end takes none', async (t) => {
  const room = admission({ atOnce: 2, most: 10_000 })
  const [quick, late] = [call({ hasBody: true }), call({ hasBody: true })]
  for (const { arrival, never } of [quick, late]) room.arrive(arrival, never)
  quick.receive()
  await until(() => room.active === 1)
  late.close()
  late.receive()
  t.equal(room.active, 1)
  quick.close()
})

test('of too many slow bodies the slowest is given up', async (t) => {
  const room = admission({ atOnce: 2000, most: 10_000 })
  const calls = Array.from({ length: 1026 }, () => call({ hasBody: true }))
  for (const { arrival, never } of calls) room.arrive(arrival, never)
  await until(() => room.active === 0)
  t.same(
    calls.slice(0, 3).map(({ story }) => story.at(-1)),
    ['aborted', 'aborted', 'begun'],
  )
})

/** Calls that wait since 0, 1, 2, … ms. */
function lineOf(length: number) {
  const line = waitingLine()
  const refused: number[] = []
  const begun: number[] = []
  function join(since: number): void {
    line.join({
      since,
      mayRest: since % 2 === 0,
      begin: () => begun.push(since),
      refuse: () => refused.push(since),
    })
  }
  for (let since = 0; since < length; since += 1) join(since)
  return { line, refused, begun, join }
}

test('the oldest begins first, as many as there is room for', (t) => {
  const { line, begun, join } = lineOf(5)
  let room = 2
  line.proceed(() => room-- > 0)
  t.same(begun, [0, 1])
  t.equal(line.size, 3)
  join(5)
  line.proceed(() => true)
  t.same(begun, [0, 1, 2, 3, 4, 5])
  t.end()
})

test('those for whom there is no room to wait are refused at once, the newest first', (t) => {
  const { line, refused, begun } = lineOf(5)
  line.sweep(10, 4)
  t.same(refused, [4])
  line.sweep(20, 1)
  t.same(refused, [4, 3, 2, 1])
  line.proceed(() => true)
  t.same(begun, [0])
  t.end()
})

test('in one millisecond one is refused at most, in one sweep a hundred', (t) => {
  const { line, refused } = lineOf(400)
  line.sweep(400, 0)
  t.equal(refused.length, 100)
  line.sweep(401, 0)
  t.equal(refused.length, 101)
  t.end()
})

test('nobody of a burst is refused before five seconds, then whoever has waited for so long', (t) => {
  const { line, refused, begun } = lineOf(5)
  for (let now = 10; now < 5000; now += 10) line.sweep(now, 100)
  t.same(refused, [])
  for (let call = 0; call < 20; call += 1) line.served()
  line.sweep(5002, 100)
  t.same(refused, [0, 1, 2])
  line.proceed(() => true)
  t.same(begun, [3, 4])
  t.end()
})

test('a line that is there for longer is as long as is served in half a second', (t) => {
  const { line, refused, join } = lineOf(2)
  let room = 1
  for (let now = 10; now <= 6000; now += 10) {
    join(now)
    if (now % 100 > 0) continue
    // Ten calls a second are served, of a hundred that come.
    line.served()
    room = 1
    line.proceed(() => room-- > 0)
    line.sweep(now, 1000)
  }
  t.ok(line.size <= 5, `${line.size} wait`)
  t.ok(refused.length > 500, `${refused.length} are refused`)
  t.end()
})

test('a line that gets empty in between is a burst again', (t) => {
  const { line, refused, join } = lineOf(1)
  line.proceed(() => true)
  for (let since = 5000; since < 5100; since += 1) join(since)
  line.sweep(6500, 1000)
  t.same(refused, [])
  t.end()
})

test('who has left is neither begun nor refused', (t) => {
  const line = waitingLine()
  const told: string[] = []
  const waiters = ['a', 'b', 'c'].map((name) => ({
    since: 0,
    mayRest: true,
    begin: () => void told.push(`${name} begun`),
    refuse: () => void told.push(`${name} refused`),
  }))
  const leave = waiters.map((waiter) => line.join(waiter))
  for (const index of [0, 2]) t.equal(leave[index]?.(), true)
  t.equal(leave[0]?.(), false, 'only once')
  line.sweep(6000, 0)
  line.proceed(() => true)
  t.same(told, ['b refused'])
  t.end()
})
