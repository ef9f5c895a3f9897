import type { DescMethod } from '@bufbuild/protobuf'
import { createServiceImplSpec, createMethodImplSpec } from '@connectrpc/connect'
import type { ConnectRouter, MethodImplSpec } from '@connectrpc/connect'

const operations = new Map<DescMethod, string>()

/**
 * The name of a method in paths, log, traces and metrics: `/package.Service/Method`. Gives the same
 * string object each time, because V8 hashes a string only once.
 */
export function operationOf(method: DescMethod): string {
  const known = operations.get(method)
  if (known !== undefined) return known
  const operation = `/${method.parent.typeName}/${method.name}`
  operations.set(method, operation)
  return operation
}

/** Collects the methods that `routes` registers on a router of Connect, to serve them without it. */
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
