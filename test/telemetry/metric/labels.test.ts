import { test } from 'tap'
import { knownReasons } from '../../../src/telemetry/metric/labels.ts'

test('a reason is a label as an enum declares it; a code goes by its name, all else as one', async (t) => {
  const reasonOf = knownReasons([{ ONE_UNSPECIFIED: 0, SOLD_OUT: 1 }, { NOT_PAID: 1 }])
  const labels = {
    '': '',
    SOLD_OUT: 'SOLD_OUT',
    NOT_PAID: 'NOT_PAID',
    ONE_UNSPECIFIED: '_OTHER',
    USER_NOT_FOUND: '_OTHER',
    DeadlineExceeded: 'DEADLINE_EXCEEDED',
    DEADLINE_EXCEEDED: 'DEADLINE_EXCEEDED',
  }
  for (const [reason, label] of Object.entries(labels)) t.equal(reasonOf(reason), label, reason)
})
