import type { FastifyReply, FastifyRequest } from 'fastify'
import { whenLate } from '../../call/read-body.ts'
import { clientDeadlineExceeded, clientTimeoutMs } from '../../call/timeout.ts'
import { mayHaveBody } from './read-body.ts'

/**
 * Answers a request with DEADLINE_EXCEEDED if its body is not there when the time that its client gives
 * the call is over: at most `maxTimeoutMs` milliseconds. Throws INVALID_PARAMETER for a timeout header
 * that cannot be read.
 */
export function refuseLateBody(
  request: FastifyRequest,
  reply: FastifyReply,
  maxTimeoutMs: number | undefined,
): void {
  const ms = mayHaveBody(request) ? clientTimeoutMs(request.headers, maxTimeoutMs) : undefined
  if (ms === undefined) return
  const cancel = whenLate(request.raw, performance.now() + ms, () => {
    if (!reply.sent) void reply.send(clientDeadlineExceeded())
  })
  request.raw.once('end', cancel)
}
