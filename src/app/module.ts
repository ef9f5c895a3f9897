import type { DescService } from '@bufbuild/protobuf'
import type { ConnectRouter } from '@connectrpc/connect'
import type { Conf } from '../conf/conf.ts'
import type { InvalidMessage } from '../server/interceptor/validate.ts'
import type { Storage } from './storage.ts'
import type { Watch } from './watch.ts'

/** What a module is made from. Modules do not get each other, so they cannot depend in a circle. */
export interface Parts {
  conf: Conf
  storage: Storage
  now: () => Date
  /** Makes spans of the calls of an object's methods. */
  traced: Watch['traced']
}

/** What one noun is to the process: its services and what the ports need to know of them. */
export interface Module {
  /** For health checks, reflection and the reasons of invalid messages. */
  services: readonly DescService[]
  /** The proto enum of its reasons: metrics have a label for each. */
  reasons: object
  /** Refuses a message that breaks a rule of the proto; INVALID_ARGUMENT where it is left out. */
  invalid?: InvalidMessage
  /** Adds its handlers. */
  routes: (router: ConnectRouter) => void
  /** Ends what it has opened for itself, when no call is left. The storage is closed after it. */
  close?: () => Promise<void>
}

/** Adds the handlers of all modules. */
export function routesOf(modules: readonly Module[]): (router: ConnectRouter) => void {
  return (router) => modules.forEach(({ routes }) => routes(router))
}
