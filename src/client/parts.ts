import { Code, ConnectError } from '@connectrpc/connect'
import type { Balancer } from './node/balancer.ts'
import type { Breaker } from './limit/breaker.ts'
import type { Budget } from './limit/budget.ts'
import { type Call, leftMs } from './call.ts'
import type { Clock, Random } from './clock.ts'
import type { Node } from './node/node.ts'
import type { CallMetrics, CallTracing, Try } from './observer.ts'
import type { ClientSettings } from './settings.ts'

/** What the calls of a channel share. */
export interface Parts {
  target: string
  protocol: Try['protocol']
  settings: ClientSettings
  balancer: Balancer
  budget: Budget
  /** The breaker of a method; undefined where none is used. */
  breakerOf(operation: string): Breaker | undefined
  /** Resolves when the first list of nodes is there; undefined once it is. */
  listed(): Promise<void> | undefined
  tracing: CallTracing | undefined
  metrics: CallMetrics | undefined
  now: Clock
  random: Random
}

/** The node for the next try of a call. Throws where none is known. */
export function pickNode(call: Call, { balancer, target }: Parts): Node {
  const node = balancer.pick(call.last, call.method.methodKind !== 'unary')
  if (node === undefined) throw noNode(target)
  return node
}

/** Throws for a call that has ended before a try of it. */
export function checkOpen(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw ConnectError.from(signal.reason, Code.Canceled)
}

/** Waits for the first list of nodes until the call's time is over. */
export async function untilListed(call: Call, listed: Promise<void>, parts: Parts): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>()
  const left = leftMs(call, parts.now)
  const late = () => reject(noNode(parts.target))
  const timer = left === undefined ? undefined : setTimeout(late, left)
  const abort = () => reject(canceled())
  call.signal?.addEventListener('abort', abort, { once: true })
  try {
    await Promise.race([listed, promise])
  } finally {
    clearTimeout(timer)
    call.signal?.removeEventListener('abort', abort)
  }
}

function noNode(target: string): ConnectError {
  return new ConnectError(`no node of ${target} is known`, Code.Unavailable)
}

/** The error of a call that its caller has given up. */
export function canceled(): ConnectError {
  return new ConnectError('the caller has canceled the call', Code.Canceled)
}
