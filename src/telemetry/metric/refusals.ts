import { type Count, counts, type Family } from './family.ts'

/** The settings whose limits refuse calls, as values of the label `limit`. */
const limits = [
  'max_body_bytes',
  'max_header_bytes',
  'request_timeout',
  'max_connections',
  'max_concurrent_calls',
  'max_streams',
  'pool_wait',
  'pool_queue',
  'quota',
  'shed',
] as const

/** A setting whose limit refuses calls. */
export type Limit = (typeof limits)[number]

/**
 * A counter of refusals for each limit. All series exist from the start, because Prometheus' `increase`
 * does not see the first value of a series.
 */
export function refusals(): { family: Family<Count>; of: Record<Limit, Count> } {
  const family = counts({
    name: 'server.requests.refused',
    description: 'Exchanges and calls that a limit has refused, by its setting',
    unit: '{call}',
  })
  const of = Object.fromEntries(limits.map((limit) => [limit, family.series({ limit })]))
  return { family, of: of as Record<Limit, Count> }
}
