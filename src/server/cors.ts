import cors from '@fastify/cors'
import { cors as connectCors } from '@connectrpc/connect'
import type { FastifyInstance } from 'fastify'

const restHeaders = ['Content-Type', 'X-Server-Timeout', 'Connect-Timeout-Ms', 'Grpc-Timeout']

/**
 * Lets pages of these origins call a port; does nothing when there are none. Registered before the
 * hooks that refuse, so that a page can read refusals too. `preflightContinue` leaves the answer to
 * OPTIONS to the port's own routes, which say Allow.
 */
export function allowOrigins(
  app: FastifyInstance,
  origins: readonly string[],
  { preflightContinue }: { preflightContinue: boolean },
): void {
  if (origins.length === 0) return
  void app.register(cors, {
    origin: origins.includes('*') ? '*' : [...origins],
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    allowedHeaders: [...new Set([...connectCors.allowedHeaders, ...restHeaders])],
    exposedHeaders: [...connectCors.exposedHeaders, 'Allow', 'Accept-Post', 'Retry-After'],
    maxAge: 7200,
    strictPreflight: false,
    preflightContinue,
  })
}
