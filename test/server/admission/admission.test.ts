import { test } from 'tap'
import { type AdmissionLimits, admission } from '../../../src/server/admission/admission.ts'
import { call } from './call.ts'
import { fakeClock } from './fake-clock.ts'

/** Admission on a clock that stands still, with the calls that have arrived. */
function roomFor(limits: AdmissionLimits) {
  const time = fakeClock()
  const room = admission(limits, time.clock)
  /** Lets bodies be missed at two sweeps. */
  function sweepTwice(): void {
    for (const _sweep of [1, 2]) {
      time.pass(10)
      time.turn()
    }
  }

  function arrive<Call extends ReturnType<typeof call>>(...calls: Call[]): Call[] {
    for (const { arrival, never } of calls) room.arrive(arrival, never)
    return calls
  }

  return { room, time, sweepTwice, arrive }
}

const stories = (calls: readonly ReturnType<typeof call>[]) => calls.map(({ story }) => story)

test('a call above the limit waits, and begins when another ends', (t) => {
  const { room, arrive } = roomFor({ maxActive: 2, maxCalls: 10_000 })
  const calls = arrive(call(), call(), call())
  t.same(stories(calls), [['begun'], ['begun'], []])
  t.match(room, { active: 2, waiting: 1 })
  calls[0]?.close()
  t.same(calls[2]?.story, ['begun'])
  t.match(room, { active: 2, waiting: 0 })
  for (const { close } of calls) close()
  t.equal(room.active, 0)
  t.end()
})

test('limits that change hold for the calls that arrive afterwards', (t) => {
  const limits = { maxActive: 1, maxCalls: 1 }
  const { room, arrive } = roomFor(limits)
  const calls = arrive(call(), call())
  t.same(stories(calls), [['begun'], ['refused']])
  Object.assign(limits, { maxActive: 2, maxCalls: 3 })
  const more = arrive(call(), call(), call())
  t.same(stories(more), [['begun'], [], ['refused']])
  t.match(room, { active: 2, waiting: 1 })
  Object.assign(limits, { maxActive: 1, maxCalls: 1 })
  more[0]?.close()
  t.match(room, { active: 1, waiting: 1 }, 'one that waits goes on waiting')
  for (const { close } of [...calls, ...more]) close()
  t.equal(room.active, 0)
  t.end()
})

test('a call whose time is over while it waits leaves the queue, and no other does', (t) => {
  const { room, time, arrive } = roomFor({ maxActive: 1, maxCalls: 10_000 })
  const calls = arrive(
    call({ timeoutMs: 1 }),
    call({ timeoutMs: 1 }),
    call({ timeoutMs: 60_000 }),
    call(),
  )
  time.pass(1)
  t.equal(room.waiting, 2)
  t.same(stories(calls), [['begun'], ['expired'], [], []])
  for (const { close } of calls) close()
  t.same(stories(calls), [['begun'], ['expired'], ['begun'], ['begun']])
  t.equal(time.pending, 0)
  t.end()
})

test('a call that is answered gives its place away, once, though its client reads nothing', (t) => {
  const { room, arrive } = roomFor({ maxActive: 1, maxCalls: 10_000 })
  const [first] = arrive(call())
  first?.answer()
  const [second] = arrive(call())
  t.same(second?.story, ['begun'])
  first?.close()
  t.equal(room.active, 1)
  second?.close()
  t.end()
})

test('a call that may not wait is refused at once, and takes no place', (t) => {
  const { room, arrive } = roomFor({ maxActive: 1, maxCalls: 1 })
  const calls = arrive(call(), call())
  t.same(stories(calls), [['begun'], ['refused']])
  t.match(room, { active: 1, waiting: 0 })
  t.end()
})

test('of more calls than there may be the newest are refused', (t) => {
  const { room, arrive } = roomFor({ maxActive: 1, maxCalls: 3 })
  const calls = arrive(...Array.from({ length: 5 }, () => call()))
  t.same(stories(calls), [['begun'], [], [], ['refused'], ['refused']])
  t.equal(room.waiting, 2)
  for (const { close } of calls) close()
  t.same(stories(calls), [['begun'], ['begun'], ['begun'], ['refused'], ['refused']])
  t.end()
})

test('no call waits for longer than five seconds', (t) => {
  const { room, time, arrive } = roomFor({ maxActive: 1, maxCalls: 10_000 })
  const [, first, second] = arrive(call(), call(), call({ timeoutMs: 60_000 }))
  time.pass(4000)
  const [third] = arrive(call())
  t.same([first?.story, second?.story], [[], []])
  time.pass(1000)
  t.same([first?.story, second?.story, third?.story], [['refused'], ['refused'], []])
  t.equal(room.waiting, 1)
  t.end()
})

test('a client that leaves while it waits is told of once, and its call never begins', (t) => {
  const { room, arrive } = roomFor({ maxActive: 1, maxCalls: 10_000 })
  const [first, second] = arrive(call(), call())
  second?.close()
  first?.close()
  t.same(second?.story, ['client gone'])
  t.match(room, { active: 0, waiting: 0 })
  t.end()
})

test('a call whose client has gone already takes no place', (t) => {
  const { room, arrive } = roomFor({ maxActive: 1, maxCalls: 1 })
  t.same(stories(arrive(call({ gone: true }))), [['client gone']])
  t.equal(room.active, 0)
  t.end()
})

test('a call whose client has gone when its turn comes leaves its turn to the next', (t) => {
  const { room, arrive } = roomFor({ maxActive: 1, maxCalls: 10_000 })
  const calls = arrive(call(), call({ gone: true }), call())
  calls[0]?.close()
  t.same(stories(calls), [['begun'], ['client gone'], ['begun']])
  t.match(room, { active: 1, waiting: 0 })
  t.end()
})

test('operators have a place of their own', (t) => {
  const { arrive } = roomFor({ maxActive: 1, maxCalls: 2 })
  arrive(call(), call())
  for (const url of [
    '/healthz',
    '/readyz?verbose',
    '/grpc.health.v1.Health/Watch',
    '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
    '/kratos.api.Metadata/ListServices',
  ]) {
    const calls = arrive(call({ url }), call({ url }), call({ url }))
    t.same(stories(calls), [['begun'], ['begun'], ['refused']], url)
    for (const { close } of calls) close()
  }
  t.same(stories(arrive(call({ url: '/healthz2' }))), [['refused']], 'what only looks like one')
  t.end()
})

test('a call whose body does not come gives its place away, and takes it back when it has come', (t) => {
  const { room, time, sweepTwice, arrive } = roomFor({ maxActive: 1, maxCalls: 10_000 })
  const [slow] = arrive(call({ hasBody: true }))
  t.equal(room.active, 1)
  sweepTwice()
  t.equal(room.active, 0)
  const [quick] = arrive(call())
  t.same([slow?.story, quick?.story], [['begun'], ['begun']])
  slow?.receive()
  t.equal(room.active, 2, 'what is read already is not refused any more')
  slow?.close()
  quick?.close()
  t.equal(room.active, 0)
  t.equal(time.pending, 0)
  t.end()
})

test('a body that comes at once keeps its place, and one that comes after the end takes none', (t) => {
  const { room, sweepTwice, arrive } = roomFor({ maxActive: 2, maxCalls: 10_000 })
  const [quick, late] = arrive(call({ hasBody: true }), call({ hasBody: true }))
  quick?.receive()
  sweepTwice()
  t.equal(room.active, 1)
  late?.close()
  late?.receive()
  t.equal(room.active, 1)
  quick?.close()
  t.end()
})

test('a call waits for a slow body for two turns of the event loop, and for no clock', (t) => {
  const { time, arrive } = roomFor({ maxActive: 1, maxCalls: 10_000 })
  const [slow] = arrive(call({ hasBody: true }))
  const [next] = arrive(call())
  time.turn()
  t.same(next?.story, [], 'the body may have arrived in this turn')
  time.turn()
  t.same(next?.story, ['begun'])
  slow?.close()
  next?.close()
  t.end()
})

test('of too many slow bodies the slowest is given up', (t) => {
  const { room, sweepTwice, arrive } = roomFor({ maxActive: 2000, maxCalls: 10_000 })
  const calls = arrive(...Array.from({ length: 1026 }, () => call({ hasBody: true })))
  sweepTwice()
  t.equal(room.active, 0)
  t.same(
    calls.slice(0, 3).map(({ story }) => story.at(-1)),
    ['aborted', 'aborted', 'begun'],
  )
  t.end()
})
