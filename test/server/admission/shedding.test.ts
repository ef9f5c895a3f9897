import { test } from 'tap'
import { admission } from '../../../src/server/admission/admission.ts'
import { coresOfContainer, load, type Usage } from '../../../src/server/admission/load.ts'
import { type OpenCall, priorityBy, shedding } from '../../../src/server/admission/shedding.ts'
import { call } from './call.ts'
import { fakeClock } from './fake-clock.ts'

/** Shedding of a process that is as busy, and at such a time, as the test says. */
function shed() {
  const state = { busy: 0, ms: 1000 }
  const time = fakeClock()
  const turn = () => time.turn()
  const judged: string[] = []
  const shedder = shedding({
    busy: () => state.busy,
    limits: () => ({ busy: 0.9, busyCritical: 0.95 }),
    priorityOf: priorityBy(() => 'x-priority'),
    judged: (priority, allowed) => void judged.push(`${priority} ${allowed}`),
    now: () => state.ms,
    nextTurn: time.clock.nextTurn,
  })
  const arrive = (priority = '') =>
    shedder.arrive({ ...call().arrival, headers: { 'x-priority': priority } })

  /** Serves so many calls a second, each of which takes `ms`, for two seconds. */
  function serve(perSecond: number, ms: number): void {
    const busy = state.busy
    state.busy = 0
    for (let part = 0; part < 20; part += 1) {
      for (let each = 0; each < perSecond / 10; each += 1) {
        const open = arrive()
        open?.begun()
        state.ms += ms
        open?.answered()
        state.ms -= ms
      }
      state.ms += 100
      turn()
    }
    state.busy = busy
  }
  /** Lets calls arrive, and gives those that were let in. */
  function letIn(count: number, priority = ''): OpenCall[] {
    return Array.from({ length: count }, () => arrive(priority)).filter(
      (open) => open !== undefined,
    )
  }
  return { state, judged, serve, letIn, turn }
}

test('a busy process refuses calls beyond those that it can serve at once', (t) => {
  const { state, serve, letIn } = shed()
  // 100 in 100 ms, 5 ms each: 5 at once.
  serve(1000, 5)
  state.busy = 0.89
  t.equal(letIn(50).length, 50, 'a process that is not busy lets all in')
  state.busy = 0.9
  t.equal(letIn(5).length, 0)
  t.end()
})

test('calls are let in again as others end, and a second after the load is over', (t) => {
  const { state, serve, letIn, turn } = shed()
  serve(1000, 5)
  state.busy = 1
  const open = letIn(20)
  t.equal(open.length, 6, 'one more arrives than are at once')
  for (const each of open.slice(0, 3)) each.left()
  t.equal(letIn(20).length, 3)
  state.busy = 0
  turn()
  state.ms += 999
  t.equal(letIn(20).length, 0, 'it cools off')
  state.ms += 1
  t.equal(letIn(20).length, 20)
  t.end()
})

test('critical calls are refused later, and for those of their kind alone', (t) => {
  const { state, serve, letIn } = shed()
  serve(1000, 5)
  state.busy = 0.94
  letIn(20)
  t.equal(letIn(20, 'critical').length, 20)
  state.busy = 0.95
  t.equal(letIn(20, 'critical').length, 0)
  const other = shed()
  other.serve(1000, 5)
  other.state.busy = 1
  t.equal(other.letIn(20).length, 6)
  t.equal(other.letIn(20, 'critical').length, 6, 'they go before the others')
  t.equal(other.letIn(20, 'high').length, 0, 'no other word is a priority')
  t.same(other.judged.filter((each) => each === 'critical false').length, 14)
  t.end()
})

test('a busy process refuses what waits in the sockets, though no call is open', (t) => {
  const { state, letIn, turn } = shed()
  state.busy = 1
  /** Calls that are served one after the other in one turn of the event loop, 5 ms each. */
  function read(count: number, priority?: string): number {
    let served = 0
    for (let each = 0; each < count; each += 1) {
      const [open] = letIn(1, priority)
      if (!open) continue
      served += 1
      open.begun()
      state.ms += 5
      open.answered()
    }
    return served
  }
  t.equal(read(20), 6)
  t.equal(read(20, 'critical'), 20)
  turn()
  t.equal(read(3), 3, 'the next turn begins anew')
  turn()
  t.equal(read(100, 'critical'), 51)
  state.busy = 0
  state.ms += 1000
  t.equal(read(20), 20, 'a process that is not busy reads all')
  t.end()
})

test('what was served 5 s ago says nothing, and a process that has served nothing refuses nothing', (t) => {
  const { state, serve, letIn, turn } = shed()
  state.busy = 1
  t.equal(letIn(20).length, 20)
  serve(1000, 5)
  t.equal(letIn(1).length, 0)
  turn()
  state.ms += 5000
  t.equal(letIn(20).length, 20)
  t.end()
})

test('a stream and a call whose client has gone are no calls that were served', (t) => {
  const { state, serve, letIn } = shed()
  serve(1000, 5)
  const open = letIn(20)
  for (const each of open) {
    each.begun()
    each.left()
    each.answered()
  }
  state.ms += 200
  state.busy = 1
  t.equal(letIn(20).length, 6)
  t.end()
})

test('of calls that wait the critical ones begin first, and tell what becomes of them', (t) => {
  const { clock } = fakeClock()
  const room = admission({ maxActive: 1, maxCalls: 10 }, clock)
  const story: string[] = []
  function arrive(name: string, isCritical: boolean) {
    const { arrival, never, ...events } = call()
    const note = (what: string) => () => void story.push(`${name} ${what}`)
    const open = {
      isCritical,
      begun: note('begun'),
      answered: note('answered'),
      left: note('left'),
    }
    room.arrive(arrival, never, open)
    return events
  }
  const first = arrive('first', false)
  const second = arrive('second', false)
  const third = arrive('third', true)
  first.answer()
  third.stream()
  second.close()
  t.same(story, [
    'first begun',
    'first answered',
    'third begun',
    'second begun',
    'third left',
    'second left',
  ])
  t.end()
})

test('the load is that of one core, of the event loop, or of what the container may use', (t) => {
  const used: Usage = { atMs: 0, threadMs: 0, processMs: 0, loopMs: 0 }
  function after(ms: number, part: Partial<Usage>, cores = Number.POSITIVE_INFINITY): number {
    const own = { ...used }
    const { sample, busy } = load(() => ({ ...own }), cores)
    for (let passed = 0; passed < ms; passed += 250) {
      own.atMs += 250
      for (const name of ['threadMs', 'processMs', 'loopMs'] as const)
        own[name] += 250 * (part[name] ?? 0)
      sample()
    }
    return Math.round(busy() * 100) / 100
  }
  t.equal(after(60_000, { threadMs: 0.5 }), 0.5)
  t.equal(after(60_000, { threadMs: 0.2, loopMs: 0.7 }), 0.7)
  t.equal(after(60_000, { threadMs: 0.5, processMs: 3 }), 0.5, 'threads beside it are not the loop')
  t.equal(after(60_000, { threadMs: 0.2, processMs: 0.25 }, 0.5), 0.5)
  t.equal(after(250, { threadMs: 1 }), 0.05, 'a moment is no load')
  t.equal(after(5000, { threadMs: 1 }), 0.64)
  t.equal(after(60_000, { threadMs: 1.2 }), 1)
  t.equal(
    coresOfContainer(() => '50000 100000\n'),
    0.5,
  )
  t.equal(
    coresOfContainer(() => '400000 100000\n'),
    Number.POSITIVE_INFINITY,
  )
  t.equal(
    coresOfContainer(() => 'max 100000\n'),
    Number.POSITIVE_INFINITY,
  )
  t.equal(
    coresOfContainer(() => {
      throw new Error('no such file')
    }),
    Number.POSITIVE_INFINITY,
  )
  t.end()
})
