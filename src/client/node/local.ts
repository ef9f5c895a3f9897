import { type ConnectRouter, createRouterTransport, type Interceptor } from '@connectrpc/connect'
import type { NodeTransport } from './node.ts'

/** A target in the same process: handlers that are called without a wire. */
export interface LocalTarget {
  /** Adds the handlers. */
  routes: (router: ConnectRouter) => void
  /** As the ports have them, the outermost first. */
  interceptors: readonly Interceptor[]
}

/** The transport to handlers in the same process. Messages are copied, errors arrive as over a wire. */
export function localTransport({ routes, interceptors }: LocalTarget): NodeTransport {
  const router = { interceptors: [...interceptors] }
  return { transport: createRouterTransport(routes, { router }), close: () => undefined }
}
