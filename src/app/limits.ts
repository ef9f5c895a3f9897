import { durationMs } from '@bufbuild/protobuf/wkt'
import type { Conf } from '../conf/conf.ts'
import type { AdmissionLimits } from '../server/admission/admission.ts'
import type { ServerOptions } from '../server/port.ts'
import type { Deadlines } from '../server/interceptor/deadline.ts'

/** More calls at once than twice the connections would only wait for one of those. */
const minActive = 16

/** How many calls are worked on at once, and how many may be open. */
export function callLimits({ server, data }: Conf): AdmissionLimits {
  const maxCalls = server.limits.maxConcurrentCalls
  const maxActive = Math.min(maxCalls, Math.max(minActive, 2 * data.database.poolSize))
  return { maxActive, maxCalls }
}

/** How long unary calls may take. */
export function deadlines({ timeout, operationTimeouts }: Conf['server']): Deadlines {
  const byOperation = Object.entries(operationTimeouts).map(
    ([operation, duration]) => [operation, durationMs(duration)] as const,
  )
  return { defaultMs: durationMs(timeout), byOperation: new Map(byOperation) }
}

/** What each port takes of connections, requests and bodies. */
export function portLimits({ limits }: Conf['server']): ServerOptions['limits'] {
  const requestTimeoutMs = durationMs(limits.requestTimeout)
  return {
    maxBodyBytes: limits.maxBodyBytes,
    maxHeaderBytes: limits.maxHeaderBytes,
    headersTimeoutMs: Math.min(durationMs(limits.headersTimeout), requestTimeoutMs),
    requestTimeoutMs,
    keepAliveTimeoutMs: durationMs(limits.idleTimeout),
    maxConcurrentStreams: limits.maxConcurrentStreams,
    maxConnections: limits.maxConnections,
  }
}
