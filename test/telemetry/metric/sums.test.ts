import t, { test } from 'tap'
import { sumsEqual } from './sums.ts'

// A machine with other work takes its time for so many.
t.setTimeout(900_000)

/** `npm run verify` asks for more. */
const calls = Number(process.env.SUMS_CALLS ?? 2000)

for (const ratio of [1, 0.1, 0])
  test(`the counters equal ${calls} mixed calls with a sampling ratio of ${ratio}`, (t) =>
    sumsEqual(t, ratio, calls))
