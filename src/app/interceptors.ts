import type { Interceptor } from '@connectrpc/connect'
import type { Conf } from '../conf/conf.ts'
import { interceptors } from '../server/interceptor/list.ts'
import type { Drain } from '../server/interceptor/streams.ts'
import type { InvalidOf } from '../server/interceptor/validate.ts'
import type { Violations } from '../server/interceptor/violations.ts'
import { deadlines } from './limits.ts'
import type { Module } from './module.ts'
import type { Watch } from './watch.ts'

/** What the interceptors of calls are made of. */
export interface InterceptorsInit {
  conf: Pick<Conf, 'server'>
  modules: readonly Module[]
  watch: Pick<Watch, 'interceptors'>
  /** Remembers each call, for the clients that it uses; see appClients. */
  incoming?: Interceptor | undefined
  violations: Violations
}

/** The interceptors of the calls of all modules, the outermost first. `drain` ends streams. */
export function interceptorsOf(
  { conf: { server }, modules, watch, violations, incoming }: InterceptorsInit,
  drain?: Drain,
): Interceptor[] {
  const further = { ...(drain && { drain }), violations, inside: incoming ? [incoming] : [] }
  const own = interceptors(deadlines(server), invalidByService(modules), further)
  return [...watch.interceptors, ...own]
}

function invalidByService(modules: readonly Module[]): InvalidOf {
  const makers = new Map(
    modules.flatMap(({ services, invalid }) => services.map(({ typeName }) => [typeName, invalid])),
  )
  return ({ typeName }) => makers.get(typeName)
}
