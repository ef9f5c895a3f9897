import type { Socket } from 'node:net'
import type { ConnectError } from '@connectrpc/connect'
import type { FastifyServerOptions } from 'fastify'
import { jsonBytes } from './answer/encode.ts'
import { errorBody, restError } from './errors.ts'
import { clientError, writeRefusal } from '../call/client-error.ts'
import { originForm } from '../text/request-target.ts'
import { sendError } from './answer/answer.ts'
import type { RestObserver } from './options.ts'

interface SocketObserver {
  /** A connection is refused before a request is complete. `status` is the HTTP status. */
  refused(socket: Socket, error: ConnectError, status: number, reason: string): void
}

/**
 * Options of the Fastify instance that the plugin is registered on. With them, requests that
 * Fastify or node:http refuse before any route get the error body of the plugin, too.
 */
export function restServerOptions(
  observer?: RestObserver & SocketObserver,
): Pick<
  FastifyServerOptions,
  'frameworkErrors' | 'clientErrorHandler' | 'routerOptions' | 'rewriteUrl'
> {
  return {
    // The plugin matches paths itself; Fastify's router must not refuse a long path before that.
    routerOptions: { maxParamLength: 1024 * 1024 },
    rewriteUrl: ({ url = '/' }) => originForm(url),
    frameworkErrors: (err, request, reply) => {
      sendError(request, reply, restError(err), { observer })
    },
    clientErrorHandler: (err, socket) => {
      const error = clientError(err.code)
      if (error === undefined || !socket.writable) return void socket.destroy()
      const body = errorBody(error, (field) => field)
      observer?.refused(socket, error, body.code, body.reason)
      writeRefusal(socket, body.code, jsonBytes(body))
    },
  }
}
