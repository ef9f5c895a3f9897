import type { DescMethod } from '@bufbuild/protobuf'
import { Code } from '@connectrpc/connect'
import { credentialHeaders } from '../call/headers.ts'
import { deadlineOf, forwardedHeaders, type Incoming } from '../call/incoming.ts'
import { operationOf } from '../call/methods.ts'
import { refusal } from '../call/refusal.ts'
import type { Clock } from './clock.ts'
import { type Failure, isNodeFault } from './node/failure.ts'
import type { Node } from './node/node.ts'

/** One call, which its tries share. */
export interface Call {
  readonly method: DescMethod
  readonly operation: string
  readonly signal: AbortSignal | undefined
  /** On the client's clock; undefined: none. */
  readonly deadline: number | undefined
  /** Whether its time is much less than this process would give it, as a caller of the process wants it. */
  readonly isHurried: boolean
  /** Of the first try. */
  readonly headers: Record<string, string>
  /** Whether the call is part of one that is a further try already. */
  readonly isChained: boolean
  /** How many tries have begun. */
  attempt: number
  /** Tries that reached no node, and further tries that the budget paid for. */
  unsent: number
  retried: number
  last: Node | undefined
}

/** The headers that prove who calls; `incoming` is the header of the call that is being served. */
export type Credentials = (incoming: Headers | undefined) => Readonly<Record<string, string>>

/** What each call of a client has in common. */
export interface CallDefaults {
  /** 0: none. */
  timeoutMs: number
  /** Sent with each call. */
  headers: Readonly<Record<string, string>>
  /** Sent in place of the credentials that a caller gives a call; undefined: those are sent. */
  credentials: Credentials | undefined
  incoming: (() => Incoming | undefined) | undefined
  now: Clock
}

/** What a caller gives a call. */
interface CallInit {
  signal: AbortSignal | undefined
  timeoutMs: number | undefined
  header: HeadersInit | undefined
}

type HeadersInit = ConstructorParameters<typeof Headers>[0]

/** Time that is kept back for the answer of the incoming call. */
const reserveMs = 5
/** How long before that an answer may come of a node whose own calls have had what was left. */
const chainMs = 5 * reserveMs
/** A call that has less than this part of the time that it would have here is hurried. */
const hurriedPart = 0.9
/** What `grpc-timeout` can say in milliseconds: 27 hours. */
const maxMs = 99_999_999
const retryHeader = 'x-md-global-retry'

/**
 * Makes a call: with its deadline, the minimum of its own timeout and of what the incoming call has
 * left, and its headers, the caller's before those of the incoming call. A stream has no timeout of its
 * own unless its caller gives it one.
 */
export function newCall(method: DescMethod, given: CallInit, defaults: CallDefaults): Call {
  const incoming = defaults.incoming?.()
  const { signal } = given
  const now = defaults.now()
  const own = now + ownMs(method, given.timeoutMs, defaults)
  const most = Math.min(own, (incoming?.limitAt ?? Infinity) - reserveMs)
  const end = Math.min(own, ((incoming && deadlineOf(incoming)) ?? Infinity) - reserveMs)
  return {
    method,
    operation: operationOf(method),
    signal: signalOf(signal, incoming),
    deadline: end === Infinity ? undefined : end,
    isHurried: end - now < hurriedPart * (most - now),
    headers: headersOf(given.header, incoming, defaults),
    isChained: incoming?.header.has(retryHeader) ?? false,
    attempt: 0,
    unsent: 0,
    retried: 0,
    last: undefined,
  }
}

function signalOf(own: AbortSignal | undefined, incoming: Incoming | undefined) {
  if (own === undefined || incoming === undefined) return own ?? incoming?.signal
  return own === incoming.signal ? own : AbortSignal.any([own, incoming.signal])
}

function ownMs(
  { methodKind }: DescMethod,
  timeoutMs: number | undefined,
  defaults: CallDefaults,
): number {
  const ms = timeoutMs ?? (methodKind === 'unary' ? defaults.timeoutMs : 0)
  return ms > 0 ? ms : Infinity
}

function headersOf(
  given: HeadersInit,
  incoming: Incoming | undefined,
  { headers, credentials }: CallDefaults,
): Record<string, string> {
  const all = incoming ? { ...headers, ...forwardedHeaders(incoming) } : { ...headers }
  if (given !== undefined)
    new Headers(given).forEach((value, name) => {
      if (credentials === undefined || !credentialHeaders.has(name)) all[name] = value
    })
  return credentials ? Object.assign(all, credentials(incoming?.header)) : all
}

/** The headers of the call's next try. A further one tells the next service not to multiply it. */
export function tryHeaders({ headers, retried }: Call): Record<string, string> {
  return retried === 0 ? { ...headers } : { ...headers, [retryHeader]: '1' }
}

/**
 * What is left of a call's time, in whole milliseconds, as its header has it. Throws DEADLINE_EXCEEDED
 * where nothing is.
 */
export function leftMs({ deadline, operation }: Call, now: Clock): number | undefined {
  if (deadline === undefined) return undefined
  const left = Math.floor(deadline - now())
  if (left >= 1) return Math.min(left, maxMs)
  const message = `no time is left to call ${operation}`
  throw refusal(Code.DeadlineExceeded, 'DEADLINE_EXCEEDED', message)
}

/**
 * Whether a try failed for the little time that the call has: by its end, or by what a node answers that
 * has had the rest of it for calls of its own. It says nothing of the service: one caller in a hurry would
 * close it to all others.
 */
export function isCutShort({ isHurried, deadline }: Call, failure: Failure, at: number): boolean {
  if (!isHurried || deadline === undefined || at < deadline - chainMs) return false
  return (failure.fate === 'ended' || failure.fate === 'answered') && isNodeFault(failure)
}
