import type { DescService } from '@bufbuild/protobuf'
import type { Client } from '@connectrpc/connect'
import { clientOf } from '../client/client.ts'
import type { LocalTarget } from '../client/node/local.ts'
import type { GivenSettings } from '../client/settings.ts'
import type { Conf } from '../conf/conf.ts'
import type { Discovery } from '../fleet/registry.ts'
import { incomingCalls } from '../server/interceptor/incoming.ts'
import { deadlines } from './limits.ts'
import type { Watch } from './watch.ts'

interface ClientsInit {
  conf: Pick<Conf, 'server'>
  watch: Pick<Watch, 'calls'>
  /** The name of this service, which the others are told. */
  service: string
  /** For `discovery:///` targets. */
  discovery?: Discovery
}

/**
 * Makes the clients by which modules call other services. `interceptor` belongs to the ports: by it the
 * clients know the deadline and the metadata of the call that they are used for.
 */
export function appClients({ conf, watch, service, discovery }: ClientsInit) {
  const { interceptor, current } = incomingCalls(deadlines(conf.server))
  const open: AsyncDisposable[] = []
  return {
    interceptor,
    /** A client of one service at a target; see docs/clients.md. */
    of<S extends DescService>(
      called: S,
      target: string | LocalTarget,
      settings?: GivenSettings,
    ): Client<S> {
      const options = { ...settings, ...watch.calls, service, discovery, incoming: current }
      const client = clientOf(called, target, options)
      open.push(client)
      return client
    },
    /** Lets the open calls of all clients end, and closes their connections. */
    async close(): Promise<void> {
      await Promise.all(open.map((client) => client[Symbol.asyncDispose]()))
    },
  }
}
