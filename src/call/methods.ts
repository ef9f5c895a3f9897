import type { DescMethod } from '@bufbuild/protobuf'
import { createServiceImplSpec, createMethodImplSpec } from '@connectrpc/connect'
import type { ConnectRouter, MethodImplSpec } from '@connectrpc/connect'

const operations = new Map<DescMethod, string>()

/**
 * The name of a method in paths, log, traces and metrics: `/package.Service/Method`. Always the same
 * string, since a new one is hashed anew by each map that it is looked up in.
 */
export function operationOf(method: DescMethod): string {
  const known = operations.get(method)
  if (known !== undefined) return known
  const operation = `/${method.parent.typeName}/${method.name}`
  operations.set(method, operation)
  return operation
}

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
