/** How a client talks to its nodes: RPC over HTTP/2, or Kratos' JSON over HTTP of version 2 or 3. */
export type ClientProtocol = 'grpc' | 'connect' | 'kratos2' | 'kratos3'

/** TLS towards the nodes. Texts are PEM; what is left out is Node's default. */
export interface ClientTls {
  ca?: string
  /** The client's own certificate, with its key. */
  cert?: string
  key?: string
  /** The name that the certificate of a node must have; its host, or the name that was resolved, if left out. */
  serverName?: string
}

/** When a call is tried again. */
interface RetrySettings {
  /** The maximum of further tries of a call that may have reached a node. 0: none. */
  attempts: number
  /** The wait before the first of them; doubled for each further one, and cut at random. */
  backoffMs: number
  /** How many tries may be spent at once; each successful call gives a tenth back. */
  budget: number
  /** Also for methods that the proto does not declare idempotent. */
  always: boolean
}

/** When a second try begins beside the first. Only methods without side effects are hedged. */
interface HedgeSettings {
  /** Milliseconds after the first try; `p95` of the last minute of the method; 0: never. */
  after: number | 'p95'
}

/** When calls of a method are not even tried (Google's client-side throttling). */
interface BreakerSettings {
  enabled: boolean
  /** Calls per success that are let through: the smaller, the sooner calls are rejected. */
  k: number
  windowMs: number
  /** With fewer calls in the window nothing is rejected. */
  minimum: number
}

/** How a client behaves. `defaults` has the usual values. */
export interface ClientSettings {
  protocol: ClientProtocol
  /** The maximum time of a unary call, all tries included. 0: none. */
  timeoutMs: number
  balancer: 'p2c' | 'random'
  retry: RetrySettings
  hedge: HedgeSettings
  breaker: BreakerSettings
  /** Undefined: cleartext, but for `https://` targets. A function is asked for each new connection. */
  tls: ClientTls | (() => ClientTls) | undefined
  /** The maximum time to open a connection. */
  connectTimeoutMs: number
  /** A connection that is quiet for so long is asked whether it is alive. */
  pingIntervalMs: number
  /** A connection that does not answer that for so long is lost. */
  pingTimeoutMs: number
  /** The maximum time that a node which has left the list has for its open calls. */
  drainMs: number
  /** How often the name of a `dns:` target is resolved. */
  resolveMs: number
}

/** What can change while a client is used; calls that begin afterwards have it. */
export interface ChangingSettings {
  timeoutMs: number
  retry: Pick<RetrySettings, 'attempts' | 'backoffMs'>
}

/** Settings as a caller gives them: what is left out has its default. */
export type GivenSettings = Partial<
  Omit<ClientSettings, 'retry' | 'hedge' | 'breaker'> & {
    retry: Partial<RetrySettings>
    hedge: Partial<HedgeSettings>
    breaker: Partial<BreakerSettings>
  }
>

const defaults: ClientSettings = {
  protocol: 'grpc',
  timeoutMs: 2000,
  balancer: 'p2c',
  retry: { attempts: 2, backoffMs: 25, budget: 20, always: false },
  hedge: { after: 0 },
  breaker: { enabled: true, k: 1.67, windowMs: 10_000, minimum: 20 },
  tls: undefined,
  connectTimeoutMs: 1000,
  pingIntervalMs: 10_000,
  pingTimeoutMs: 2000,
  drainMs: 10_000,
  resolveMs: 30_000,
}

/** The settings with their defaults. */
export function settingsOf({ retry, hedge, breaker, ...given }: GivenSettings): ClientSettings {
  return {
    ...defaults,
    ...given,
    retry: { ...defaults.retry, ...retry },
    hedge: { ...defaults.hedge, ...hedge },
    breaker: { ...defaults.breaker, ...breaker },
  }
}
