import { test } from 'tap'

import type { Slice } from '../../bench/peers/slice.ts'
import { hasSettled, warmUp } from '../../bench/peers/warm-up.ts'

const costing = (serverUs: number): Slice => ({
  calls: 1000,
  serverUs,
  databaseUs: 50,
  perSecond: 500,
  core: 1,
  p50Ms: 1,
  p99Ms: 2,
  failed: 0,
  error: '',
})

test('a warm-up goes on while one of three slices is cheaper than all before', async (t) => {
  t.notOk(hasSettled([400, 400, 400]), 'three slices have none before them')
  t.notOk(hasSettled([400, 300, 310, 250]))
  t.notOk(hasSettled([900, 300, 310, 305]), 'the first slice is no measure of the others')
  t.ok(hasSettled([900, 300, 310, 299, 305]))
})

test('a warm-up ends when the cost of a call no longer falls, after enough calls', async (t) => {
  const costs = [900, 300, 300, 300, 300, 200, 200, 200, 200, 200]
  const next = (left: number[]) => async () => costing(left.shift() ?? 200)
  const limits = { minCalls: 0, maxSlices: 60 }
  t.match(await warmUp(next([...costs]), limits), { calls: 5000, settled: true, bestUs: 300 })
  t.match(await warmUp(next([...costs]), { ...limits, minCalls: 6000 }), {
    calls: 9000,
    settled: true,
    firstUs: 900,
    bestUs: 200,
  })
})

test('a warm-up that is ended while the cost still falls says so', async (t) => {
  let cost = 1000
  const result = await warmUp(async () => costing((cost *= 0.9)), { minCalls: 0, maxSlices: 5 })
  t.match(result, { calls: 5000, settled: false })
})
