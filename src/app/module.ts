import type { DescService } from '@bufbuild/protobuf'
import type { ConnectRouter } from '@connectrpc/connect'
import type { Logger } from 'pino'
import type { Conf } from '../conf/conf.ts'
import type { InvalidMessage } from '../server/interceptor/validate.ts'
import type { Violations } from '../server/interceptor/violations.ts'
import type { Cache } from './cache.ts'
import type { Clients } from './client/clients.ts'
import type { Storage } from './storage/storage.ts'
import type { Watch } from './watch.ts'

/**
 * The parts that a module is made from. Other modules are not among them, so none depend on each
 * other.
 */
export interface Parts {
  conf: Conf
  storage: Storage
  /** Undefined: nothing is cached. */
  cache: Cache | undefined
  now: () => Date
  /** Wraps an object so that calls of its methods become spans. */
  traced: Watch['traced']
  log: Logger
  /** Makes clients of other services, and of those of this process. */
  clients: Pick<Clients, 'configured' | 'transport'>
  /** Gives the rules of the proto that a message breaks. */
  violations: Violations
}

/** One noun of the service, such as users: its RPC services and the facts that the ports need. */
export interface Module {
  /** Its RPC services, for health checks, reflection and the errors of invalid messages. */
  services: readonly DescService[]
  /** The proto enum of its error reasons: metrics have a label for each. */
  reasons: object
  /**
   * Makes the error of a message that breaks a rule of the proto; INVALID_ARGUMENT if it is left
   * out.
   */
  invalid?: InvalidMessage
  /** Another process checks the rules of the proto: here its messages only need to be such that can be sent. */
  isRemote?: true
  /** The comments of its protos by the full name of their subject, beside those of proto/api. */
  comments?: Readonly<Record<string, string>>
  /** Adds its handlers to a router. */
  routes: (router: ConnectRouter) => void
  /**
   * Closes the resources that the module has opened. Called after the last call, before the storage
   * closes.
   */
  close?: () => Promise<void>
}

/** A function that adds the handlers of all modules to a router. */
export function routesOf(modules: readonly Module[]): (router: ConnectRouter) => void {
  return (router) => modules.forEach(({ routes }) => routes(router))
}
