import { type Count, counts, type Family } from './family.ts'

/** The settings whose limits refuse calls, as values of `limit`. */
export const limits = [
  'max_body_bytes',
  'max_header_bytes',
  'request_timeout',
  'max_connections',
  'max_concurrent_calls',
  'pool_wait',
  'pool_queue',
] as const

export type Limit = (typeof limits)[number]

/** Counts what each limit refuses; all are there from the start, so that a first refusal is a rise. */
export function refusals(): { family: Family<Count>; of: Record<Limit, Count> } {
  const family = counts({
    name: 'server.requests.refused',
    description: 'Exchanges and calls that a limit has refused, by its setting',
    unit: '{call}',
  })
  const of = Object.fromEntries(limits.map((limit) => [limit, family.series({ limit })]))
  return { family, of: of as Record<Limit, Count> }
}
