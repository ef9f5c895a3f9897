import type { Interceptor } from '@connectrpc/connect'
import type { Incoming } from '../call/incoming.ts'
import type { Discovery } from '../fleet/registry.ts'
import { type Balancer, balancer } from './node/balancer.ts'
import { type Breaker, breaker } from './limit/breaker.ts'
import { budget } from './limit/budget.ts'
import type { CallDefaults, Credentials } from './call.ts'
import type { Clock } from './clock.ts'
import { type LocalTarget, localTransport } from './node/local.ts'
import type { OpenNode } from './node/node.ts'
import type { CallMetrics, CallTracing, NodeState } from './observer.ts'
import { type OpenProtocol, overHttp2 } from './node/open-node.ts'
import type { Parts } from './parts.ts'
import {
  type ChangingSettings,
  type ClientProtocol,
  type ClientSettings,
  type GivenSettings,
  settingsOf,
} from './settings.ts'
import { address, type Lookup } from './target/address.ts'
import { fixed, watchTarget } from './target/target.ts'
import { callTransport } from './transport.ts'

/** What a client is made with beside its target. */
export interface ClientOptions extends GivenSettings {
  /** The name of this service, sent as `x-md-service-name`. */
  service?: string | undefined
  /** Sent with each call; a caller's own headers win. */
  headers?: Readonly<Record<string, string>> | undefined
  /** Sent with each call in place of what its caller gives it to prove who calls. */
  credentials?: Credentials | undefined
  /** Run for each try; the first is the outermost. */
  interceptors?: readonly Interceptor[] | undefined
  /** For `discovery:///` targets. */
  discovery?: Discovery | undefined
  tracing?: CallTracing | undefined
  metrics?: CallMetrics | undefined
  /** The call that the running code serves; its deadline and metadata are passed on. */
  incoming?: (() => Incoming | undefined) | undefined
  /** Tells settings that have changed; left out: none does. */
  changes?: ((apply: (changed: ChangingSettings) => void) => void) | undefined
  /** Makes nodes of further protocols, or others of those that are known. */
  protocols?: Partial<Record<ClientProtocol, OpenProtocol>> | undefined
  /** Resolves the names of `dns:` targets; the system's resolver if left out. */
  lookup?: Lookup | undefined
}

/**
 * Opens the way to a target: `direct:///host:port,host:port`, `dns:///host:port`, `http://host:port`,
 * `https://host:port`, `discovery:///name`, or handlers in this process. No connection is made before
 * the first call. Throws for what is no target.
 */
export function channelOf(target: string | LocalTarget, options: ClientOptions = {}) {
  const isLocal = typeof target !== 'string'
  const settings = settingsOf(isLocal ? { ...options, ...localSettings } : options)
  options.changes?.(({ timeoutMs, retry }) => {
    settings.timeoutMs = timeoutMs
    if (!isLocal) Object.assign(settings.retry, retry)
  })
  const { discovery, lookup, metrics } = options
  const watch = isLocal
    ? fixed([address('local', 0, false)])
    : watchTarget(target, { settings, discovery, lookup })
  const nodes = balancer({
    open: isLocal ? () => localTransport(target) : openerOf(settings, options),
    choose: settings.balancer,
    drainMs: settings.drainMs,
    now,
    random: Math.random,
  })
  const listed = firstList()
  const stop = new AbortController()
  watch((addresses) => {
    if (stop.signal.aborted) return
    nodes.update(addresses)
    listed.known()
  }, stop.signal)
  const unwatch = isLocal ? undefined : metrics?.nodes(() => statesOf(nodes))
  const parts: Parts = {
    target: isLocal ? 'this process' : target,
    protocol: isLocal ? 'local' : settings.protocol,
    settings,
    balancer: nodes,
    budget: budget(settings.retry.budget),
    breakerOf: breakers(settings),
    listed: listed.wait,
    tracing: options.tracing,
    metrics,
    now,
    random: Math.random,
  }
  const close = async (): Promise<void> => {
    stop.abort()
    unwatch?.()
    await nodes.close()
  }
  return {
    /** Takes the calls of all services. */
    transport: callTransport(parts, defaultsOf(settings, options)),
    /** Its nodes, with what is known of them. */
    nodes: nodes.nodes,
    /** Lets open calls end, for `drainMs` at most, and closes all connections. */
    close,
  }
}

const now: Clock = () => performance.now()

/** Nothing is lost on the way within a process. */
const localSettings: GivenSettings = {
  retry: { attempts: 0 },
  hedge: { after: 0 },
  breaker: { enabled: false },
}

function openerOf(settings: ClientSettings, options: ClientOptions): OpenNode {
  const { protocol } = settings
  const open = options.protocols?.[protocol] ?? overHttp2[protocol]
  if (open === undefined) throw new Error(`this client has no protocol ${protocol}`)
  const interceptors = [...(options.interceptors ?? [])]
  return (to) => open(to, settings, interceptors)
}

/** Waits for the first list of nodes; afterwards there is nothing to wait for. */
function firstList() {
  const { promise, resolve } = Promise.withResolvers<void>()
  let waiting: Promise<void> | undefined = promise
  return {
    wait: () => waiting,
    known(): void {
      waiting = undefined
      resolve()
    },
  }
}

function breakers({ breaker: settings }: ClientSettings): Parts['breakerOf'] {
  if (!settings.enabled) return () => undefined
  const known = new Map<string, Breaker>()
  return function breakerOf(operation) {
    const old = known.get(operation)
    if (old) return old
    const made = breaker(settings, now, Math.random)
    known.set(operation, made)
    return made
  }
}

function defaultsOf(
  settings: ClientSettings,
  { service, headers, credentials, incoming }: ClientOptions,
): CallDefaults {
  const own = service === undefined ? {} : { 'x-md-service-name': service }
  return {
    get timeoutMs() {
      return settings.timeoutMs
    },
    headers: { ...own, ...headers },
    credentials,
    incoming,
    now,
  }
}

function statesOf(nodes: Balancer): NodeState[] {
  const at = now()
  return nodes.nodes().map(({ address: { name }, downUntil }) => ({ name, down: downUntil > at }))
}
