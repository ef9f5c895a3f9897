import t, { test } from 'tap'
import { sumsEqual } from './sums.ts'

// A machine with other work takes its time for so many.
t.setTimeout(900_000)

test('the counters equal 5,000 mixed calls with a sampling ratio of 0.1', (t) =>
  sumsEqual(t, 0.1, 5_000))
