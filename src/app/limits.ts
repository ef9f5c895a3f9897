import { durationMs } from '@bufbuild/protobuf/wkt'
import type { Conf } from '../conf/conf.ts'
import type { LiveConf } from '../conf/live.ts'
import type { AdmissionLimits } from '../server/admission/admission.ts'
import { type StreamLimits, streamPlaces } from '../server/admission/stream-places.ts'
import type { ServerOptions } from '../server/port.ts'
import type { Deadlines } from '../server/interceptor/deadline.ts'
import { usesStorage } from './storage/storage.ts'

/** As many calls as may share a statement: with fewer at once, each statement serves fewer. */
const minActive = 64

/**
 * The maximum of calls that run at once, and of calls that may be open. Further calls would only
 * wait for a connection to the database.
 */
export function callLimits({ server, data, services }: Conf): AdmissionLimits {
  const maxCalls = server.limits.maxConcurrentCalls
  if (!usesStorage(services)) return { maxActive: maxCalls, maxCalls }
  const maxActive = Math.min(maxCalls, Math.max(minActive, 2 * data.database.poolSize))
  return { maxActive, maxCalls }
}

/**
 * For how long a stream without a message may still fail with a status of its own, here or in another
 * process: longer than a busy database takes to refuse a resume token, since a 410 ends an EventSource,
 * and an event that tells of an error does not.
 */
const earlyMs = { own: 300, remote: 1000 }

/** The limits of streams, for both ports. */
export function streamOptions(live: LiveConf): ServerOptions['streams'] {
  const { server, gateway } = live.current()
  const { limits, streams } = server
  const isGateway = Object.keys(gateway.services).length > 0
  return {
    places: streamPlaces(live.values(({ server }) => streamLimits(server))),
    maxUploadBytes: limits.maxUploadBytes,
    heartbeatMs: durationMs(streams.heartbeat),
    earlyMs: isGateway ? earlyMs.remote : earlyMs.own,
  }
}

function streamLimits({ limits }: Conf['server']): StreamLimits {
  return { maxStreams: limits.maxStreams, maxPerAddress: limits.maxStreamsPerAddress }
}

/** Maximum milliseconds over which the ends of streams are spread when the process ends. */
const maxSpreadMs = 2000

/** For how long a stream goes on when the process begins to end, which leaves it time to end. */
export function streamDelayMs({ shutdown }: Conf['server'], random: () => number): () => number {
  const spreadMs = Math.min(maxSpreadMs, durationMs(shutdown.timeout) / 2)
  return () => random() * spreadMs
}

/** The deadlines of unary calls. */
export function deadlines({ timeout, operationTimeouts }: Conf['server']): Deadlines {
  const byOperation = Object.entries(operationTimeouts).map(
    ([operation, duration]) => [operation, durationMs(duration)] as const,
  )
  return { defaultMs: durationMs(timeout), byOperation: new Map(byOperation) }
}

/** The limits of each port for connections, requests and bodies. */
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
