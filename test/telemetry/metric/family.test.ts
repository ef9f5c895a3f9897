import { test } from 'tap'
import { counts } from '../../../src/telemetry/metric/family.ts'

test('a clock that is set back gives no interval of negative length, and one reset', (t) => {
  const family = counts({ name: 'calls', description: 'Calls', unit: '{call}' })
  family.series({}).value += 1
  for (const seconds of [1000, 1001]) {
    const { dataPoints } = family.collect([seconds, 0])
    t.match(dataPoints, [{ startTime: [1000, 0], endTime: [seconds, 0], value: 1 }])
  }
  t.end()
})
