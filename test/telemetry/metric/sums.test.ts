import t, { test } from 'tap'
import { sumsEqual } from './sums.ts'

// A machine with other work takes its time for so many.
t.setTimeout(900_000)

test('the counters equal 20,000 mixed calls with a sampling ratio of 1', (t) =>
  sumsEqual(t, 1, 20_000))
