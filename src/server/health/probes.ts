import type { FastifyInstance } from 'fastify'
import type { Readiness } from './readiness.ts'

/** The first segments of the paths of healthRoutes, each with what is there. */
export const healthSegments = new Map([
  ['healthz', 'a health check'],
  ['readyz', 'a health check'],
])

/**
 * Adds `/healthz` (the process is alive) and `/readyz` (it should get calls; if not, which check
 * fails).
 */
export function healthRoutes(app: FastifyInstance, readiness: Readiness): void {
  app.get('/healthz', (_request, reply) => reply.send({ status: 'ok' }))
  app.get('/readyz', (_request, reply) => {
    const checks = Object.entries(readiness.checks()).map(([name, problem]) => [
      name,
      problem || 'ok',
    ])
    const ready = readiness.ready()
    return reply
      .code(ready ? 200 : 503)
      .header('cache-control', 'no-store')
      .send({ status: ready ? 'ready' : 'not ready', checks: Object.fromEntries(checks) })
  })
}
