import { Code, type ServiceImpl } from '@connectrpc/connect'
import { HealthCheckResponse_ServingStatus, type Health } from '../../gen/health/v1/health_pb.ts'
import { refusal } from '../../call/refusal.ts'

const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = HealthCheckResponse_ServingStatus

/** The part of Readiness that the health service uses. */
interface HealthSource {
  ready(): boolean
  /** Calls `changed` after each change of `ready`. Returns the function that unsubscribes it. */
  subscribe(changed: () => void): () => void
}

/**
 * Serves grpc.health.v1.Health for the whole server ("") and for each service by name. All have the
 * same status, because all need the same database. Ends every Watch with UNAVAILABLE when `closing`
 * aborts.
 */
export function healthService(
  source: HealthSource,
  services: readonly string[],
  closing: AbortSignal,
): ServiceImpl<typeof Health> {
  const known = new Set(['', ...services])
  const statusOf = (service: string) => {
    if (!known.has(service)) return SERVICE_UNKNOWN
    return source.ready() ? SERVING : NOT_SERVING
  }
  return {
    check({ service }) {
      if (known.has(service)) return { status: statusOf(service) }
      throw refusal(Code.NotFound, 'SERVICE_NOT_FOUND', `there is no service ${service}`)
    },
    list() {
      const statuses = [...known].map((service) => [service, { status: statusOf(service) }])
      return { statuses: Object.fromEntries(statuses) }
    },
    async *watch({ service }, { signal }) {
      const changes = changesOf(source, AbortSignal.any([signal, closing]))
      let last: HealthCheckResponse_ServingStatus | undefined
      for await (const _ of changes) {
        const status = statusOf(service)
        if (status !== last) yield { status }
        last = status
      }
      if (closing.aborted)
        throw refusal(Code.Unavailable, 'SHUTTING_DOWN', 'the server is shutting down')
    },
  }
}

/** Yields once, then after each change until the signal aborts. Several changes may yield once. */
async function* changesOf(source: HealthSource, signal: AbortSignal): AsyncGenerator<void> {
  let wake = Promise.withResolvers<void>()
  const changed = () => wake.resolve()
  const unsubscribe = source.subscribe(changed)
  signal.addEventListener('abort', changed, { once: true })
  // No event comes for what was before.
  if (signal.aborted) changed()
  try {
    for (;;) {
      yield
      await wake.promise
      if (signal.aborted) return
      wake = Promise.withResolvers()
    }
  } finally {
    unsubscribe()
    signal.removeEventListener('abort', changed)
  }
}
