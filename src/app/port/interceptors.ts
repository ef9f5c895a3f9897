import type { DescMessage, DescService } from '@bufbuild/protobuf'
import type { Interceptor } from '@connectrpc/connect'
import type { LocalTarget } from '../../client/node/local.ts'
import type { Conf } from '../../conf/conf.ts'
import type { LiveConf } from '../../conf/live.ts'
import type { Auth } from '../../server/interceptor/auth.ts'
import { interceptors } from '../../server/interceptor/list.ts'
import { encodable, malformedText } from '../../server/interceptor/malformed-text.ts'
import type { Drain } from '../../server/interceptor/streams.ts'
import type { InvalidOf } from '../../server/interceptor/validate.ts'
import type { Violations } from '../../server/interceptor/violations.ts'
import { deadlines } from '../limits.ts'
import { type Module, routesOf } from '../module.ts'
import type { Watch } from '../watch.ts'

/** What the interceptors of calls are made of. */
export interface InterceptorsInit {
  conf: Pick<Conf, 'server'>
  /** The settings that can change; left out: none does. */
  live?: LiveConf | undefined
  modules: readonly Module[]
  watch: Pick<Watch, 'interceptors' | 'localInterceptors'>
  /** Remembers each call, for the clients that it uses; see appClients. */
  incoming?: Interceptor | undefined
  violations: Violations
  /** Asks callers for credentials; undefined: everybody may call. */
  auth?: Auth | undefined
  /** Counts calls for their callers; undefined: nobody is limited. */
  quota?: Interceptor | undefined
}

/** The interceptors of calls that come over the ports, the outermost first. `drain` ends streams. */
export function interceptorsOf(init: InterceptorsInit, drain: Drain): Interceptor[] {
  return [...init.watch.interceptors, ...ownInterceptors(init, { drain, auth: init.auth })]
}

/** The services of this process as a target of its own clients, which need no credentials. */
export function localTarget(init: InterceptorsInit): LocalTarget {
  const interceptors = [...init.watch.localInterceptors, ...ownInterceptors(init)]
  return { routes: routesOf(init.modules), interceptors }
}

function ownInterceptors(
  { conf: { server }, live, modules, violations, incoming, quota }: InterceptorsInit,
  { drain, auth }: { drain?: Drain; auth?: Auth | undefined } = {},
): Interceptor[] {
  const inside = [quota, incoming].filter((each) => each !== undefined)
  const further = {
    ...(drain && { drain }),
    ...(auth && { auth }),
    violations: rulesHere(violations, modules),
    inside,
  }
  const limits = live?.values((conf) => deadlines(conf.server)) ?? deadlines(server)
  return interceptors(limits, invalidByService(modules), further)
}

function invalidByService(modules: readonly Module[]): InvalidOf {
  const makers = new Map(
    modules.flatMap(({ services, invalid }) => services.map(({ typeName }) => [typeName, invalid])),
  )
  return ({ typeName }) => makers.get(typeName)
}

/** The rules of messages; of those that another process looks at, only that they can be sent to it. */
function rulesHere(violations: Violations, modules: readonly Module[]): Violations {
  const elsewhere = new Set(
    modules.flatMap(({ services, isRemote }) => (isRemote ? inputsOf(services) : [])),
  )
  if (elsewhere.size === 0) return violations
  return (desc, message, fields) =>
    elsewhere.has(desc)
      ? malformedText(desc, message, { accepts: encodable })
      : violations(desc, message, fields)
}

function inputsOf(services: readonly DescService[]): DescMessage[] {
  return services.flatMap(({ methods }) => methods.map(({ input }) => input))
}
