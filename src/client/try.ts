import type { DescMessage, DescMethodUnary, MessageInitShape } from '@bufbuild/protobuf'
import { Code, type ContextValues, type UnaryResponse } from '@connectrpc/connect'
import { refusal } from '../call/refusal.ts'
import { type Call, isCutShort, leftMs, tryHeaders } from './call.ts'
import { type Failure, failureOf, isNodeFault } from './node/failure.ts'
import { abandoned, begun, cutShort, ended, type Node } from './node/node.ts'
import type { Try, TrySpan } from './observer.ts'
import { checkOpen, type Parts, pickNode, untilListed } from './parts.ts'

/** A unary call with its message. */
export interface UnaryCall extends Call {
  method: DescMethodUnary
  readonly message: MessageInitShape<DescMessage>
  readonly values: ContextValues | undefined
  /** Whether its caller has an answer for the case that it fails. */
  readonly hasFallback: boolean
}

/** A try that has begun. */
export interface OpenTry extends Try {
  readonly node: Node
  readonly startedAt: number
  span: TrySpan | undefined
}

/** A try that has failed, whose span is still open; `one` is undefined where none was begun. */
export interface FailedTry extends Failure {
  one: OpenTry | undefined
}

/** A try that has begun and can be sent. */
interface ReadyTry {
  one: OpenTry
  timeoutMs: number | undefined
  headers: Record<string, string>
}

/**
 * Begins the next try of a call, or gives how it fails where the breaker does not let it through. `take`
 * notes the try at its node. Throws where no try can begin: no node is known, or no time is left.
 */
export async function nextTry(
  call: Call,
  signal: AbortSignal | undefined,
  parts: Parts,
  take: (one: OpenTry) => void,
): Promise<ReadyTry | FailedTry> {
  checkOpen(signal)
  if (parts.breakerOf(call.operation)?.allows() === false) return rejected(call, parts)
  const listed = parts.listed()
  if (listed !== undefined) await untilListed(call, listed, parts)
  const timeoutMs = leftMs(call, parts.now)
  const node = pickNode(call, parts)
  const headers = tryHeaders(call)
  const one = beginTry(call, node, headers, parts)
  // Before anything else runs: a node that has left the list closes when it has no call.
  take(one)
  return { one, timeoutMs, headers }
}

/** Begins a try on a node: its span, and the headers that carry it. */
function beginTry(
  call: Call,
  node: Node,
  headers: Record<string, string>,
  { protocol, tracing, now }: Parts,
): OpenTry {
  call.attempt += 1
  call.last = node
  const one: OpenTry = {
    operation: call.operation,
    protocol,
    attempt: call.attempt,
    address: node.address,
    node,
    startedAt: now(),
    span: undefined,
  }
  one.span = tracing?.begin(one, headers)
  return one
}

/** Tries a unary call once. Gives the answer, or how it failed. Throws as `nextTry`. */
export async function tryOnce(
  call: UnaryCall,
  signal: AbortSignal | undefined,
  parts: Parts,
): Promise<UnaryResponse | FailedTry> {
  const next = await nextTry(call, signal, parts, begunAt)
  if ('fate' in next) return next
  const { one, timeoutMs, headers } = next
  try {
    const answer = await sent(call, { signal, timeoutMs, headers }, one, parts)
    succeeded(one, parts)
    return answer
  } catch (err) {
    return failed(call, one, failureOf(err, signal?.aborted ?? false), parts)
  }
}

function begunAt({ node, startedAt }: OpenTry): void {
  begun(node, startedAt)
}

interface Sending {
  signal: AbortSignal | undefined
  timeoutMs: number | undefined
  headers: Record<string, string>
}

function sent(
  { method, message, values }: UnaryCall,
  { signal, timeoutMs, headers }: Sending,
  { node: { transport }, span }: OpenTry,
  { protocol, tracing }: Parts,
): Promise<UnaryResponse> {
  // Over the wire nothing of the answer runs in this process.
  if (protocol !== 'local' || tracing === undefined || span === undefined)
    return transport.unary(method, signal, timeoutMs, headers, message, values)
  return tracing.within(span, () =>
    transport.unary(method, signal, timeoutMs, headers, message, values),
  )
}

function succeeded(one: OpenTry, parts: Parts): void {
  const at = parts.now()
  const ms = at - one.startedAt
  ended(one.node, at, ms, true)
  parts.budget.succeeded()
  parts.breakerOf(one.operation)?.ended(true)
  parts.metrics?.ended(one, ms)
  if (one.span) parts.tracing?.end(one.span, one)
}

function failed(call: Call, one: OpenTry, failure: Failure, parts: Parts): FailedTry {
  const { error, fate } = failure
  const at = parts.now()
  const ms = at - one.startedAt
  const isFault = isNodeFault(failure)
  if (fate === 'unsent' || fate === 'lost') parts.balancer.down(one.node)
  // A call that its caller gives up says nothing of the service.
  if (isCutShort(call, failure, at)) cutShort(one.node, at, one.startedAt)
  else if (fate === 'ended' && error.code !== Code.DeadlineExceeded) abandoned(one.node, at, ms)
  else {
    // A node that is overloaded refuses fast, and would look like the best one.
    ended(one.node, at, ms, !isFault && error.code !== Code.ResourceExhausted)
    // A node that is gone says nothing of the method.
    if (fate !== 'unsent') parts.breakerOf(one.operation)?.ended(!isFault)
  }
  parts.metrics?.ended(one, ms, error)
  return { error, fate, one }
}

/** Ends the span of a failed try. `fallback`: its caller gets another answer in place of the error. */
export function endFailed({ one, error }: FailedTry, { tracing }: Parts, fallback: boolean): void {
  if (one?.span) tracing?.end(one.span, one, error, fallback)
}

/** How a call fails that the breaker does not let through; it is as Kratos' clients have it. */
function rejected({ operation }: Call, { protocol, metrics }: Parts): FailedTry {
  const message = `calls of ${operation} fail, so this one was not tried`
  const error = refusal(Code.Unavailable, 'CIRCUITBREAKER', message)
  metrics?.rejected(operation, protocol, error)
  return { error, fate: 'ended', one: undefined }
}
