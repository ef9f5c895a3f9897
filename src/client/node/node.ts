import type { Transport } from '@connectrpc/connect'
import type { Address } from '../target/address.ts'

/** How a client reaches one node. */
export interface NodeTransport {
  transport: Transport
  /** Closes its connections; open calls fail. */
  close: () => void
}

/** Makes the transport of a node. It connects with the first call. */
export type OpenNode = (address: Address) => NodeTransport

/** One node of a target, with what its calls have shown of it. Times are those of the clock. */
export interface Node extends NodeTransport {
  readonly address: Address
  /** Moving average of the time of its tries; 0 before the first answer. */
  lagMs: number
  /** Moving average of success, from 0 to 1. */
  success: number
  /** Unary tries that are open. */
  inflight: number
  /** Streams that are open. */
  streams: number
  /** When the last try ended. */
  endedAt: number
  /** Since when open tries have waited without any answer. */
  waitingSince: number
  pickedAt: number
  /** Not chosen before this time, unless all nodes are down. */
  downUntil: number
  /** How long it is down for the next time. */
  nextDownMs: number
  /** When a token was last taken for calls that were lost with it. */
  lossPaidAt: number
  /** Called when its last call ends, once it has left the list. */
  idle: (() => void) | undefined
}

const minDownMs = 100
const maxDownMs = 5000
/** The time constant of the averages, as in Kratos' selector/node/ewma. */
const tauMs = 600

/** A node without any call so far. */
export function newNode(address: Address, { transport, close }: NodeTransport, now: number): Node {
  return {
    address,
    transport,
    close,
    lagMs: 0,
    success: 1,
    inflight: 0,
    streams: 0,
    endedAt: now,
    waitingSince: now,
    pickedAt: now,
    downUntil: 0,
    nextDownMs: minDownMs,
    lossPaidAt: -Infinity,
    idle: undefined,
  }
}

/** Notes that a unary try begins. */
export function begun(node: Node, now: number): void {
  if (node.inflight === 0) node.waitingSince = now
  node.inflight += 1
}

/** Notes that a unary try has ended after `ms`; `ok` says whether the node did its part. */
export function ended(node: Node, now: number, ms: number, ok: boolean): void {
  const old = learn(node, now, ms)
  node.success = node.success * old + (ok ? 1 - old : 0)
  node.waitingSince = now
  if (ok && node.downUntil <= now) node.nextDownMs = minDownMs
  left(node)
}

/**
 * Notes that a unary try was given up after `ms`, which says nothing of the node but that it takes at
 * least so long.
 */
export function abandoned(node: Node, now: number, ms: number): void {
  if (ms > node.lagMs) learn(node, now, ms)
  left(node)
}

/**
 * Notes that a unary try from `startedAt` on had too little time. The node takes at least so long. It
 * counts against one that has answered nobody meanwhile: one that hangs is found, however short all callers
 * wait.
 */
export function cutShort(node: Node, now: number, startedAt: number): void {
  const old = learn(node, now, Math.max(node.lagMs, now - startedAt))
  if (node.waitingSince <= startedAt) node.success *= old
  left(node)
}

/** Notes whether a node has taken a stream. How long one takes says nothing. */
export function streamTaken(node: Node, now: number, ok: boolean): void {
  const old = learn(node, now, node.lagMs)
  node.success = node.success * old + (ok ? 1 - old : 0)
}

/** Moves the average of the time. Returns the weight that the past keeps. */
function learn(node: Node, now: number, ms: number): number {
  const old = Math.exp((node.endedAt - now) / tauMs)
  node.lagMs = node.lagMs === 0 ? ms : node.lagMs * old + ms * (1 - old)
  node.endedAt = now
  return old
}

function left(node: Node): void {
  node.inflight -= 1
  if (node.idle !== undefined) tellIdle(node)
}

/** Notes that a stream has ended. */
export function streamEnded(node: Node): void {
  node.streams -= 1
  if (node.idle !== undefined) tellIdle(node)
}

/** Whether a node has open calls. */
export function isBusy({ inflight, streams }: Node): boolean {
  return inflight > 0 || streams > 0
}

function tellIdle(node: Node): void {
  if (!isBusy(node)) node.idle?.()
}

/** Marks a node down. One outage counts once, however many calls it breaks. */
export function markDown(node: Node, now: number): void {
  if (node.downUntil > now) return
  node.downUntil = now + node.nextDownMs
  node.nextDownMs = Math.min(maxDownMs, node.nextDownMs * 2)
}

/**
 * What one more call would have to wait for, in a measure that only serves to compare. A node counts
 * as slow as its oldest unanswered wait, so that one that hangs is avoided before its calls have
 * timed out, and a new one is not flooded before its first answer.
 */
export function loadOf(node: Node, now: number): number {
  const { lagMs, inflight, success } = node
  const waitedMs = inflight === 0 ? 0 : now - node.waitingSince
  const ms = Math.max(lagMs, waitedMs)
  if (ms === 0) return 0.1 * (inflight + 1)
  return (Math.sqrt(ms + 5) * (inflight + 1)) / Math.max(success, 0.01)
}

/** What one more stream would have to share: streams last, so their number counts before all else. */
export function streamLoadOf({ streams, success }: Node): number {
  return (streams + 1) / Math.max(success, 0.01)
}
