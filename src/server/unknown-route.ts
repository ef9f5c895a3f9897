import type { onRequestHookHandler } from 'fastify'
import { routeNotFound } from '../rest/errors.ts'

/** Refuses a path that nobody serves before its body is looked at, so that it is 404 whatever it has. */
export const refuseUnknownRoutes: onRequestHookHandler = (request, _reply, next) => {
  const [path = ''] = request.url.split('?', 1)
  next(request.is404 ? routeNotFound(request.method, path) : undefined)
}
