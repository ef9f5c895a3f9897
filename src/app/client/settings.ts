import { durationMs } from '@bufbuild/protobuf/wkt'
import type { ClientOptions } from '../../client/channel.ts'
import type { ChangingSettings, ClientProtocol } from '../../client/settings.ts'
import type { Complete } from '../../conf/conf.ts'
import type { ServiceClient as ServiceClientMessage } from '../../gen/conf/v1/clients_pb.ts'
import { tlsOf } from './tls.ts'

/** How a service is called. */
export type ServiceClient = Complete<ServiceClientMessage>

/** The settings of a client. Protocols over REST are loaded only if they are asked for. */
export async function clientSettings(conf: ServiceClient) {
  const { retry, breaker } = conf
  const protocol = conf.protocol as ClientProtocol
  const changing = changingSettings(conf)
  return {
    protocol,
    protocols: await furtherProtocols(protocol),
    ...changing,
    tls: tlsOf(conf),
    retry: { ...changing.retry, budget: retry.budget },
    hedge: { after: durationMs(conf.hedge.after) },
    breaker: {
      enabled: breaker.enabled,
      k: breaker.k,
      windowMs: durationMs(breaker.window),
      minimum: breaker.minimum,
    },
  }
}

/** Those that can change while the client is used. */
export function changingSettings({ timeout, retry }: ServiceClient): ChangingSettings {
  const { attempts, backoff } = retry
  return {
    // 0 would be no timeout at all.
    timeoutMs: Math.max(1, durationMs(timeout)),
    retry: { attempts, backoffMs: durationMs(backoff) },
  }
}

/** What makes nodes of a protocol over REST; undefined for one over RPC. */
export async function furtherProtocols(
  protocol: ClientProtocol,
): Promise<ClientOptions['protocols']> {
  if (protocol !== 'kratos2' && protocol !== 'kratos3') return undefined
  return (await import('../../client/rest/open-node.ts')).overRest
}
