import { mock } from 'node:test'
import { test, type Test } from 'tap'
import { idleMemory } from '../../src/memory/idle.ts'

/** A process of 100 MiB, whose clock and memory stand still unless they are moved. */
function start(t: Test) {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const state = { resident: 100, released: 0 }
  const memory = idleMemory({
    resident: () => state.resident * 2 ** 20,
    release() {
      state.released += 1
      state.resident = 110
    },
  })
  memory.start()
  const seconds = (count: number) => mock.timers.tick(count * 1000)
  return { state, memory, seconds, call: () => memory.note() }
}

test('what a burst has left is given back once nobody has called for two seconds', (t) => {
  const { state, seconds, call } = start(t)
  seconds(3)
  state.resident = 400
  call()
  seconds(2)
  t.equal(state.released, 0)
  seconds(1)
  t.equal(state.released, 1)
  seconds(10)
  t.equal(state.released, 1, 'once')
  call()
  seconds(10)
  t.equal(state.released, 1, 'and not for a little more than then')
  t.end()
})

test('a process that is called is never made to stand still', (t) => {
  const { state, seconds, call } = start(t)
  seconds(3)
  state.resident = 400
  for (let second = 0; second < 10; second += 1) {
    call()
    seconds(1)
  }
  t.equal(state.released, 0)
  t.end()
})

test('nothing is looked at after the stop', (t) => {
  const { state, memory, seconds, call } = start(t)
  seconds(3)
  state.resident = 400
  call()
  memory.stop()
  seconds(10)
  t.equal(state.released, 0)
  t.end()
})
