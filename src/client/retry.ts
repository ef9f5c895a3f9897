import { MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt'
import { Code } from '@connectrpc/connect'
import type { Call } from './call.ts'
import type { Failure } from './node/failure.ts'
import type { Parts } from './parts.ts'
import type { FailedTry } from './try.ts'

/** The maximum of tries that reach no node. */
const maxUnsent = 5

/**
 * How long to wait before a call is tried again; undefined if it is not. A try that no node has begun is
 * always repeated and costs no budget: else a node that is gone would eat it. Any other is repeated only
 * if it failed as unavailable, if a second run does no harm, and if the budget pays for it.
 */
export function retryWait(call: Call, failure: FailedTry, parts: Parts): number | undefined {
  if (failure.fate === 'unsent') return unsentWait(call, parts)
  if (failure.fate === 'ended' || failure.error.code !== Code.Unavailable) return undefined
  const { retry } = parts.settings
  if (call.isChained || call.retried >= retry.attempts) return undefined
  if (!retry.always && !isRepeatable(call)) return undefined
  const waitMs = jittered(retry.backoffMs, call.retried, parts)
  if (!isInTime(call, waitMs, parts) || !isPaid(failure, parts)) return undefined
  call.retried += 1
  parts.metrics?.retried('unavailable')
  return waitMs
}

/** Whether a stream that a node refuses, since it has as many as it takes, is tried at another one: once. */
export function mayReplace(call: Call, { error, fate }: Failure, parts: Parts): boolean {
  if (fate !== 'answered' || error.code !== Code.ResourceExhausted) return false
  if (call.isChained || call.retried > 0 || parts.balancer.nodes().length < 2) return false
  if (!isInTime(call, 0, parts) || !parts.budget.take()) return false
  call.retried += 1
  parts.metrics?.retried('unavailable')
  return true
}

/**
 * Takes a token for a further try. Those for what a node had open when it was lost cost one together:
 * they are as many as the node had calls, once, and no sign that the service cannot keep up.
 */
function isPaid({ fate, one }: FailedTry, { budget, now }: Parts): boolean {
  if (fate !== 'lost' || one === undefined) return budget.take()
  if (one.startedAt < one.node.lossPaidAt) return true
  if (!budget.take()) return false
  one.node.lossPaidAt = now()
  return true
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
