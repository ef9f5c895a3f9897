import { test } from 'tap'
import { inFlight } from '../../src/memory/in-flight.ts'

test('what is under way keeps its order, whoever leaves', (t) => {
  const calls = inFlight<string>()
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => calls.add(name))
  if (!a || !b || !c || !d) throw new Error('four were added')
  t.same(calls.all(), ['a', 'b', 'c', 'd'])
  t.ok(calls.remove(b), 'from the middle')
  t.same(calls.all(), ['a', 'c', 'd'])
  t.ok(calls.remove(a), 'the oldest')
  t.ok(calls.remove(d), 'the newest')
  t.equal(calls.oldest(), c)
  t.equal(calls.newest(), c)
  t.notOk(calls.remove(b), 'who has left cannot leave again')
  t.equal(calls.has(c), true)
  t.equal(calls.size, 1)
  t.ok(calls.remove(c))
  t.equal(calls.oldest(), undefined)
  t.equal(calls.newest(), undefined)
  calls.add('e')
  t.same(calls.all(), ['e'], 'it can be filled again')
  t.end()
})
