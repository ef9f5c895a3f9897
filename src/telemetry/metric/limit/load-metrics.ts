import { type Count, counts, type Family } from '../family.ts'

/** Counts a call that a limit has judged; `who` has finitely many values. */
export type Judged = (who: string, allowed: boolean) => void

/** Counts the calls that quotas judge, by the class of their callers, and those that shedding does. */
export function loadMetrics() {
  const quota = counts({
    name: 'quota.calls',
    description: 'Calls that were counted for a quota, by class of caller and what became of them',
    unit: '{call}',
  })
  const shed = counts({
    name: 'shed.calls',
    description: 'Calls that arrived while shedding is on, by priority and what became of them',
    unit: '{call}',
  })
  return {
    quotaCalls: judging(quota, 'caller'),
    shedCalls: judging(shed, 'priority'),
    families: [quota, shed] as Family<unknown>[],
  }
}

function judging(family: Family<Count>, label: string): Judged {
  const known = new Map<string, { allowed: Count; refused: Count }>()
  function seriesOf(who: string) {
    const series = {
      allowed: family.series({ [label]: who, result: 'allowed' }),
      refused: family.series({ [label]: who, result: 'refused' }),
    }
    known.set(who, series)
    return series
  }
  return function judged(who, allowed) {
    const series = known.get(who) ?? seriesOf(who)
    series[allowed ? 'allowed' : 'refused'].value += 1
  }
}
