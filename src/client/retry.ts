import { MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt'
import { Code } from '@connectrpc/connect'
import type { Call } from './call.ts'
import type { Failure } from './node/failure.ts'
import type { Parts } from './parts.ts'

/** The maximum of tries that reach no node. */
const maxUnsent = 5

/**
 * How long to wait before a call is tried again; undefined if it is not. A try that no node has begun is
 * always repeated and costs no budget: else a node that is gone would eat it. Any other is repeated only
 * if it failed as unavailable, if a second run does no harm, and if the budget pays for it.
 */
export function retryWait(call: Call, failure: Failure, parts: Parts): number | undefined {
  if (failure.fate === 'unsent') return unsentWait(call, parts)
  if (failure.fate === 'ended' || failure.error.code !== Code.Unavailable) return undefined
  const { retry } = parts.settings
  if (call.isChained || call.retried >= retry.attempts) return undefined
  if (!retry.always && !isRepeatable(call)) return undefined
  const waitMs = jittered(retry.backoffMs, call.retried, parts)
  if (!isInTime(call, waitMs, parts) || !parts.budget.take()) return undefined
  call.retried += 1
  parts.metrics?.retried('unavailable')
  return waitMs
}

function unsentWait(call: Call, parts: Parts): number | undefined {
  if (call.unsent >= maxUnsent) return undefined
  const { retry } = parts.settings
  // Another node is tried at once. Where none is up, one may be back soon.
  const waitMs = parts.balancer.hasUp ? 0 : jittered(retry.backoffMs, call.unsent, parts)
  if (!isInTime(call, waitMs, parts)) return undefined
  call.unsent += 1
  parts.metrics?.retried('unsent')
  return waitMs
}

/** Whether the proto says that it does no harm to run a method twice. */
function isRepeatable({ method }: Call): boolean {
  return method.idempotency !== MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN
}

/** Whether a method may be asked of two nodes at once. */
export function isWithoutEffect({ method }: Call): boolean {
  return method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS
}

/** At random from half of the doubled wait up to all of it. */
function jittered(ms: number, times: number, { random }: Parts): number {
  return ms * 2 ** times * (0.5 + random() / 2)
}

function isInTime({ deadline }: Call, waitMs: number, { now }: Parts): boolean {
  return deadline === undefined || now() + waitMs + 1 < deadline
}
