import { test } from 'tap'
import { processBuckets } from '../../../src/server/limit/buckets.ts'
import { network } from '../../../src/server/limit/caller.ts'
import { limitFields, retrySeconds } from '../../../src/server/limit/fields.ts'
import { type Rate, rateOf, shareOf, verdictOf } from '../../../src/server/limit/gcra.ts'

function rate(perSecond: number, burstMs = 1000): Rate {
  const found = rateOf(perSecond, burstMs)
  if (!found) throw new Error('no limit')
  return found
}

/** Buckets on a clock that stands still, and how many of some calls at one moment they let through. */
function buckets(max?: number) {
  const clock = { ms: 5000 }
  const own = processBuckets(() => clock.ms * 1000, max)
  function through(calls: number, given: Rate, key = 'a'): number {
    return Array.from({ length: calls }, () => own.take(key, given)).filter((v) => v.allowed).length
  }
  return { clock, own, through }
}

const table: [
  title: string,
  rate: Rate,
  steps: [afterMs: number, calls: number, through: number][],
][] = [
  [
    'a burst, and then one call each interval',
    rate(10),
    [
      [0, 15, 10],
      [99, 1, 0],
      [1, 2, 1],
      [100, 2, 1],
    ],
  ],
  [
    'a caller that has been away has its burst again, and no more',
    rate(10),
    [
      [0, 10, 10],
      [500, 9, 5],
      [60_000, 30, 10],
    ],
  ],
  [
    'a short burst under a high rate',
    rate(100, 200),
    [
      [0, 30, 20],
      [10, 5, 1],
      [200, 30, 20],
    ],
  ],
  [
    'less than a call per second',
    rate(0.5),
    [
      [0, 3, 1],
      [1999, 1, 0],
      [1, 3, 1],
    ],
  ],
  [
    'a refused call costs nothing',
    rate(1),
    [
      [0, 100, 1],
      [1000, 100, 1],
    ],
  ],
  [
    'an interval that is no whole number',
    rate(3),
    [
      [0, 9, 3],
      [1000, 9, 3],
      [1000, 9, 3],
      [333, 1, 0],
      [1, 1, 1],
    ],
  ],
]

for (const [title, given, steps] of table)
  test(`quota: ${title}`, (t) => {
    const { clock, through } = buckets()
    for (const [afterMs, calls, expected] of steps) {
      clock.ms += afterMs
      t.equal(through(calls, given), expected, `${calls} calls after ${afterMs} ms`)
    }
    t.end()
  })

test('callers and operations are counted apart', (t) => {
  const { through } = buckets()
  t.same([through(5, rate(2)), through(5, rate(2), 'b')], [2, 2])
  t.end()
})

test('a verdict tells what is left, and when more may come', (t) => {
  const { clock, own } = buckets()
  const first = own.take('a', rate(10))
  t.same(first, { allowed: true, left: 9, waitUs: 0, fullUs: 100_000 })
  for (let call = 0; call < 9; call += 1) own.take('a', rate(10))
  clock.ms += 40
  t.same(own.take('a', rate(10)), { allowed: false, left: 0, waitUs: 60_000, fullUs: 960_000 })
  clock.ms += 60
  t.same(own.take('a', rate(10)), { allowed: true, left: 0, waitUs: 100_000, fullUs: 1_000_000 })
  t.end()
})

test('a lower rate takes effect at once, and forgives what is above its burst', (t) => {
  const { clock, through } = buckets()
  t.equal(through(1000, rate(1000)), 1000)
  t.equal(through(10, rate(2)), 0)
  clock.ms += 1000
  t.equal(through(10, rate(2)), 2)
  t.end()
})

test('the bucket that was used the longest ago is dropped', (t) => {
  const { own, through } = buckets(2)
  for (const key of ['a', 'b', 'a', 'c']) own.take(key, rate(1))
  t.equal(own.size, 2)
  t.same([through(1, rate(1), 'a'), through(1, rate(1), 'b')], [0, 1])
  t.end()
})

test('no rate is no limit, and an instance has its share of one', (t) => {
  t.equal(rateOf(0, 1000), undefined)
  t.same(shareOf(rate(100), 4), rate(25))
  t.same(shareOf(rate(1), 4), { intervalUs: 4e6, burst: 1 })
  t.end()
})

test('headers name the policy in whole seconds, and what is left', (t) => {
  const policies: [Rate, string][] = [
    [rate(100), 'q=100;w=1'],
    [rate(100, 200), 'q=100;w=1'],
    [rate(10, 5000), 'q=50;w=5'],
    [rate(0.5), 'q=1;w=2'],
    [rate(0.3), 'q=1;w=4'],
    [rate(2.5, 3000), 'q=10;w=4'],
  ]
  for (const [given, policy] of policies) {
    const fields = limitFields(given, verdictOf(true, 1_500_000, given))
    t.equal(fields['ratelimit-policy'], `"default";${policy}`)
  }
  const verdict = verdictOf(true, 1_500_000, rate(10, 5000))
  t.equal(limitFields(rate(10, 5000), verdict).ratelimit, '"default";r=35;t=2')
  t.equal(retrySeconds(verdictOf(false, 60_000, rate(100, 10))), 1)
  t.equal(retrySeconds(verdictOf(false, 3_200_000, rate(0.25))), 4)
  t.end()
})

test('an address of IPv6 stands for its network', (t) => {
  const addresses = {
    '192.0.2.7': '192.0.2.7',
    '::ffff:192.0.2.7': '192.0.2.7',
    '2001:db8:1:2:3:4:5:6': '2001:db8:1:2::/64',
    '2001:db8::7': '2001:db8:0:0::/64',
    '::1': '0:0:0:0::/64',
    'fe80::1%eth0': 'fe80:0:0:0::/64',
    '': '',
  }
  for (const [address, expected] of Object.entries(addresses))
    t.equal(network(address), expected, address)
  t.end()
})
