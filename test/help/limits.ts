import { streamPlaces } from '../../src/server/admission/stream-places.ts'
import type { ListenerLimits } from '../../src/server/listener/arrival.ts'

/** Limits that leave a client all the time in which a test may let it wait. */
export const patientLimits: ListenerLimits = {
  maxHeaderBytes: 4096,
  headersTimeoutMs: 5000,
  requestTimeoutMs: 60_000,
  keepAliveTimeoutMs: 60_000,
  maxConcurrentStreams: 100,
  maxConnections: 100,
}

/** Streams without a limit that a test could meet. */
export const patientStreams = () => ({
  places: streamPlaces({ maxStreams: 1000, maxPerAddress: 1000 }),
  maxUploadBytes: 1_000_000_000,
  heartbeatMs: 60_000,
  earlyMs: 50,
})
