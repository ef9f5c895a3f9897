import type { DescService } from '@bufbuild/protobuf'
import { type Client, createClient } from '@connectrpc/connect'
import { channelOf, type ClientOptions } from './channel.ts'
import type { LocalTarget } from './node/local.ts'

/**
 * A Connect client of a service that finds its nodes, spreads calls over them, and survives the loss of
 * some: see docs/clients.md. It is to be disposed of, which lets open calls end. Services at the same
 * target share their connections by `channelOf`.
 */
export function clientOf<S extends DescService>(
  service: S,
  target: string | LocalTarget,
  options?: ClientOptions,
): Client<S> & AsyncDisposable {
  const { transport, close } = channelOf(target, options)
  return Object.assign(createClient(service, transport), { [Symbol.asyncDispose]: close })
}
