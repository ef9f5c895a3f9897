import type { DescService } from '@bufbuild/protobuf'
import type { Client, Transport } from '@connectrpc/connect'
import { channelOf, type ClientOptions } from '../../client/channel.ts'
import { clientOf } from '../../client/client.ts'
import type { LocalTarget } from '../../client/node/local.ts'
import type { GivenSettings } from '../../client/settings.ts'
import type { Conf } from '../../conf/conf.ts'
import type { LiveConf } from '../../conf/live.ts'
import type { Discovery } from '../../fleet/registry.ts'
import { forwardedCredentials } from '../../call/incoming.ts'
import { incomingCalls } from '../../server/interceptor/incoming.ts'
import { ownCredentials } from './credentials.ts'
import { changingSettings, clientSettings, type ServiceClient } from './settings.ts'
import { deadlines } from '../limits.ts'
import type { Watch } from '../watch.ts'

interface ClientsInit {
  live: LiveConf
  watch: Pick<Watch, 'calls' | 'log'>
  /** The name of this service, which the others are told. */
  service: string
  /** For `discovery:///` targets. */
  discovery?: Discovery | undefined
  /** The services of this process, as a target. */
  local?: () => LocalTarget
}

/** The clients of the process, as appClients makes them. */
export type Clients = ReturnType<typeof appClients>

/**
 * Makes the clients by which modules call other services. `interceptor` belongs to the ports: by it the
 * clients know the deadline and the metadata of the call that they are used for.
 */
export function appClients({ live, watch, service, discovery, local }: ClientsInit) {
  const { interceptor, current } = incomingCalls(live.values(({ server }) => deadlines(server)))
  const open: AsyncDisposable[] = []

  function clientAt<S extends DescService>(
    called: S,
    target: string | LocalTarget,
    settings: ClientOptions = {},
  ): Client<S> {
    const options = { ...settings, ...watch.calls, service, discovery, incoming: current }
    const client = clientOf(called, target, options)
    open.push(client)
    return client
  }

  return {
    interceptor,
    /** Takes the calls of all services at a target. */
    transport(target: string, settings: ClientOptions): Transport {
      const options = { ...settings, ...watch.calls, service, discovery, incoming: current }
      const { transport, close } = channelOf(target, options)
      open.push({ [Symbol.asyncDispose]: close })
      return transport
    },
    /** The interceptor, if there is a client that needs it. */
    incoming: () => (open.length > 0 ? interceptor : undefined),
    /** A client of one service at a target; see docs/clients.md. */
    of: <S extends DescService>(
      called: S,
      target: string | LocalTarget,
      settings?: GivenSettings,
    ): Client<S> => clientAt(called, target, settings),
    /** A client of a service where the settings say that it is: in this process, if they name no target. */
    async configured<S extends DescService>(
      called: S,
      settingsIn: (conf: Conf) => ServiceClient,
    ): Promise<Client<S>> {
      const conf = settingsIn(live.current())
      const target = conf.target === '' ? local?.() : conf.target
      const changes: ClientOptions['changes'] = (apply) =>
        live.follow((next) => apply(changingSettings(settingsIn(next))))
      const credentials = conf.forwardCredentials
        ? forwardedCredentials
        : ownCredentials(conf.credentials, watch.log)
      const settings = { ...(await clientSettings(conf)), credentials, changes }
      return clientAt(called, target ?? '', settings)
    },
    /** Lets the open calls of all clients end, and closes their connections. */
    async close(): Promise<void> {
      await Promise.all(open.map((client) => client[Symbol.asyncDispose]()))
    },
  }
}
