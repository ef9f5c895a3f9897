import { setTimeout as sleep } from 'node:timers/promises'
import { Code, ConnectError, type UnaryResponse } from '@connectrpc/connect'
import { firstOf } from './hedge.ts'
import { isNodeFault } from './node/failure.ts'
import { canceled, type Parts } from './parts.ts'
import type { RecentTimes } from './limit/recent-times.ts'
import { isWithoutEffect, retryWait } from './retry.ts'
import { endFailed, tryOnce, type UnaryCall } from './try.ts'

/** Tries a call until it succeeds or must not be tried again. */
export async function attempts(
  call: UnaryCall,
  signal: AbortSignal | undefined,
  parts: Parts,
): Promise<UnaryResponse> {
  for (;;) {
    const result = await tryOnce(call, signal, parts)
    if (!('fate' in result)) return result
    const waitMs = retryWait(call, result, parts)
    endFailed(result, parts, waitMs === undefined && call.hasFallback)
    if (waitMs === undefined) throw result.error
    if (waitMs > 0) await pause(waitMs, signal)
  }
}

/** Waits before a further try. */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(ms, undefined, signal ? { signal } : {}).catch(() => {
    throw canceled()
  })
}

/** As `attempts`, with one more try beside them once the call takes longer than most. */
export async function hedged(
  call: UnaryCall,
  times: RecentTimes,
  parts: Parts,
): Promise<UnaryResponse> {
  const { after } = parts.settings.hedge
  const afterMs = after === 'p95' ? times.quantile(0.95) : after
  const startedAt = parts.now()
  const answer = await (afterMs === undefined || !isWithoutEffect(call) || call.isChained
    ? attempts(call, call.signal, parts)
    : firstOf(call, afterMs, {
        first: (signal) => attempts(call, signal, parts),
        second: (signal) => once(call, signal, parts),
        mayBegin: () => mayHedge(call, parts),
        isAnswer,
      }))
  times.add(parts.now() - startedAt)
  return answer
}

/** Whether a service has answered so, and another node would too: by no fault or lack of its node. */
function isAnswer(err: unknown): boolean {
  const error = ConnectError.from(err)
  if (!error.isWireError || error.code === Code.ResourceExhausted) return false
  return !isNodeFault({ error, fate: 'answered' })
}

async function once(call: UnaryCall, signal: AbortSignal, parts: Parts): Promise<UnaryResponse> {
  const result = await tryOnce(call, signal, parts)
  if (!('fate' in result)) return result
  endFailed(result, parts, call.hasFallback)
  throw result.error
}

function mayHedge(call: UnaryCall, { budget, balancer, metrics, settings }: Parts): boolean {
  // A slow phase must not use up what the loss of a node will need.
  const kept = Math.floor(settings.retry.budget / 4)
  if (balancer.nodes().length < 2 || !budget.take(kept)) return false
  call.retried += 1
  metrics?.retried('hedge')
  return true
}
