import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { test } from 'tap'
import { bindWithoutGetters } from '../../src/memory/bound-functions.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as (of: { type: 'minor' | 'major' }) => void
/** What one bound function refers to. */
const eachBytes = 8000
const functions = 1000

/** Bytes that collections of young objects leave of functions that nobody has any more. */
function leftOfBound(): number {
  collect({ type: 'major' })
  const before = process.memoryUsage().heapUsed
  for (let made = 0; made < functions; made += 1) {
    const held = Array.from({ length: eachBytes / 8 }, () => made)
    AsyncResource.bind(() => held)
    if (made % 100 === 0) collect({ type: 'minor' })
  }
  // What is young survives two of them.
  for (let times = 0; times < 3; times += 1) collect({ type: 'minor' })
  return process.memoryUsage().heapUsed - before
}

test('what a bound function refers to is freed without a full collection', (t) => {
  leftOfBound()
  const byNode = leftOfBound()
  t.ok(byNode > (functions * eachBytes) / 2, `node's own method leaves ${byNode} bytes: the reason`)
  bindWithoutGetters()
  leftOfBound()
  const left = leftOfBound()
  t.ok(left < (functions * eachBytes) / 20, `${left} bytes are left`)
  t.end()
})

test('a bound function runs in the context that it was bound in, as one of node does', (t) => {
  bindWithoutGetters()
  const context = new AsyncLocalStorage<string>()
  function told(this: unknown, a: number, b: number) {
    return { context: context.getStore(), self: this, sum: a + b }
  }
  const [free, fixed, none] = context.run('bound', () => [
    AsyncResource.bind(told),
    AsyncResource.bind(told, undefined, 'fixed'),
    AsyncResource.bind(told, undefined, null),
  ])
  context.run('called', () => {
    t.strictSame(free.call('caller', 1, 2), { context: 'bound', self: 'caller', sum: 3 })
    t.strictSame(fixed.call('caller', 1, 2), { context: 'bound', self: 'fixed', sum: 3 })
    t.strictSame(none.call('caller', 1, 2), { context: 'bound', self: null, sum: 3 })
  })
  t.equal(free.length, 2)
  t.throws(() => AsyncResource.bind('text' as never), TypeError)
  t.end()
})
