import type { ConnectError } from '@connectrpc/connect'
import type { ClientProtocol } from './settings.ts'
import type { Address } from './target/address.ts'

/** One try of a call, as telemetry is told of it. */
export interface Try {
  /** `/package.Service/Method`. */
  readonly operation: string
  readonly protocol: ClientProtocol | 'local'
  /** Counted from 1. */
  readonly attempt: number
  readonly address: Address
}

/** The span of a try; only tracing knows what it is. */
export type TrySpan = object

/** Makes a span of each try. */
export interface CallTracing {
  /**
   * Begins the span of a try below that of the running code, and writes the headers that carry it.
   * Undefined where it is not recorded; the headers are written then, too.
   */
  begin(one: Try, headers: Record<string, string>): TrySpan | undefined
  /** Runs work as a part of the span. */
  within<T>(span: TrySpan, work: () => T): T
  /** Ends the span. `fallback`: the caller gets another answer in place of the error. */
  end(span: TrySpan, one: Try, error?: ConnectError, fallback?: boolean): void
}

/** Why a call is tried again. */
export type RetryReason = 'unsent' | 'unavailable' | 'hedge'

/** A node, as metrics show it. */
export interface NodeState {
  name: string
  down: boolean
}

/** Counts tries. */
export interface CallMetrics {
  ended(one: Try, ms: number, error?: ConnectError): void
  /** A call that the breaker did not let through. */
  rejected(operation: string, protocol: Try['protocol'], error: ConnectError): void
  retried(reason: RetryReason): void
  /** Reads the nodes of a client whenever somebody asks. Gives a function that ends it. */
  nodes(read: () => NodeState[]): () => void
}
