import { createServiceImplSpec, createMethodImplSpec } from '@connectrpc/connect'
import type { ConnectRouter, MethodImplSpec } from '@connectrpc/connect'

/** Collects what `routes` registers, as Connect's own router would, for another protocol to serve. */
export function recordMethods(routes: (router: ConnectRouter) => unknown): MethodImplSpec[] {
  const methods: MethodImplSpec[] = []
  const router: ConnectRouter = {
    handlers: [],
    service(service, implementation) {
      methods.push(...Object.values(createServiceImplSpec(service, implementation).methods))
      return router
    },
    rpc(method, implementation) {
      methods.push(createMethodImplSpec(method, implementation))
      return router
    },
  }
  routes(router)
  return methods
}
