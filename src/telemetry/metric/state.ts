import type { Meter } from '@opentelemetry/api'
import type { PoolState } from '../../data/database.ts'
import { type ConfigState, watchConfig } from './config/config-metrics.ts'
import type { SpanCounts } from '../trace/tracing.ts'

/** The state of the service, read at each collection of the metrics. */
export interface ServiceState {
  version: string
  storage: string
  ready: () => boolean
  /** The readiness checks by name, each with its problem; an empty text where there is none. */
  checks: () => Readonly<Record<string, string>>
  /** How many calls are active, and how many may be. */
  calls: () => { active: number; max: number }
  pools: () => readonly PoolState[]
  /** When the certificate of the ports expires; undefined without TLS. */
  certificateEnd: () => Date | undefined
  /** Lines that could not be written to standard output since the start. */
  linesDropped: () => number
  /** What the registry knows of this instance and tells of others; undefined where there is none. */
  registry: () => RegistryState | undefined
  /** Whether the cache can be used; undefined where there is none. */
  cache: () => boolean | undefined
  /** Whether Redis counts the calls of callers; undefined where it is not to. */
  quota: () => boolean | undefined
  /** How busy the process is, of one core; undefined where no call is refused for it. */
  load: () => number | undefined
  /** Milliseconds since the issuer of tokens has given its keys; undefined before, and without one. */
  issuerKeysAgeMs?: () => number | undefined
  /** What is known of the sources of settings; undefined where these do not change. */
  config?: () => ConfigState | undefined
  /** Counts of spans and lines for the collector; undefined where tracing is off. */
  spans: () => SpanCounts | undefined
}

/** The state of the registry's clients. */
export interface RegistryState {
  /** etcd, consul or kubernetes. */
  kind: string
  /** Whether this instance is announced, by format. */
  announced: () => ReadonlyMap<string, boolean>
  /** Tries to announce it, by their result. */
  attempts: ReadonlyMap<string, number>
  /** By the names of services that are looked up: how many instances are in use, and for how long the
   * registry has not confirmed them. */
  lists: () => readonly { name: string; instances: number; ageMs: number }[]
}

/** Makes the gauges and counters of the state. To be called once. */
export function watchState(meter: Meter, state: ServiceState): void {
  watchReadiness(meter, state)
  watchPools(meter, state)
  watchSpans(meter, state)
  watchRegistry(meter, state)
  const cacheUp = '1 where the cache can be used, 0 where the database gets all reads instead'
  gauge(meter, 'cache_up', cacheUp, '').addCallback((result) => {
    const isUsable = state.cache()
    if (isUsable !== undefined) result.observe(Number(isUsable))
  })
  const quotaUp = '1 where Redis counts the calls of callers, 0 where each instance counts alone'
  gauge(meter, 'quota_redis_up', quotaUp, '').addCallback((result) => {
    const isShared = state.quota()
    if (isShared !== undefined) result.observe(Number(isShared))
  })
  const busy = 'Busy part of one core, by which calls are refused'
  gauge(meter, 'shed_load', busy, '').addCallback((result) => {
    const load = state.load()
    if (load !== undefined) result.observe(load)
  })
  const keysAge = 'Since the issuer of tokens has given its keys'
  gauge(meter, 'auth_keys_age_seconds', keysAge, 's').addCallback((result) => {
    const ageMs = state.issuerKeysAgeMs?.()
    if (ageMs !== undefined) result.observe(ageMs / 1000)
  })
  watchConfig(meter, state.config ?? (() => undefined))
  const { version, storage } = state
  gauge(meter, 'service_build_info', 'What runs; always 1', '').addCallback((result) =>
    result.observe(1, { version, node: process.version, storage }),
  )
  const active = gauge(meter, 'server.calls.active', 'Calls that are being worked on', '{call}')
  const max = gauge(meter, 'server.calls.limit', 'server.limits.max_concurrent_calls', '{call}')
  meter.addBatchObservableCallback(
    (result) => {
      const calls = state.calls()
      result.observe(active, calls.active)
      result.observe(max, calls.max)
    },
    [active, max],
  )
  const ends = 'When the certificate of the ports ends, in Unix time'
  gauge(meter, 'tls_certificate_end_seconds', ends, 's').addCallback((result) => {
    const end = state.certificateEnd()
    if (end) result.observe(end.getTime() / 1000)
  })
  meter
    .createObservableCounter('log_lines_dropped', {
      description:
        'Lines of the log that nobody will read there, because they could not be written',
      unit: '{line}',
    })
    .addCallback((result) => {
      result.observe(state.linesDropped(), { output: 'stdout' })
      result.observe(state.spans()?.logs.dropped ?? 0, { output: 'otlp' })
    })
}

/** Zeros where tracing is off, so that expressions of alerts have a value. */
const noSpans = { exported: 0, waiting: 0, dropped: { queue: 0, export: 0, keep: 0 } }

function watchSpans(meter: Meter, { spans }: ServiceState): void {
  const counter = (name: string, description: string) =>
    meter.createObservableCounter(name, { description, unit: '{span}' })
  const exported = counter('spans_exported', 'Spans that the collector has taken')
  const dropped = counter('spans_dropped', 'Spans that nobody will see, by what they were lost to')
  const waiting = gauge(meter, 'spans_waiting', 'Spans that wait for their export', '{span}')
  meter.addBatchObservableCallback(
    (result) => {
      const counts = spans() ?? noSpans
      result.observe(exported, counts.exported)
      result.observe(waiting, counts.waiting)
      for (const [cause, count] of Object.entries(counts.dropped))
        result.observe(dropped, count, { cause })
    },
    [exported, dropped, waiting],
  )
}

function gauge(meter: Meter, name: string, description: string, unit: string) {
  return meter.createObservableGauge(name, { description, unit })
}

function watchReadiness(meter: Meter, { ready, checks }: ServiceState): void {
  gauge(meter, 'service_ready', '1 where the service should get calls, else 0', '').addCallback(
    (result) => result.observe(Number(ready())),
  )
  gauge(meter, 'service_check', '1 where nothing is wrong with it, else 0', '').addCallback(
    (result) => {
      for (const [check, problem] of Object.entries(checks()))
        result.observe(Number(problem === ''), { check })
    },
  )
}

function watchPools(meter: Meter, { pools }: ServiceState): void {
  const one = (name: string, description: string) =>
    gauge(meter, `db.client.connection.${name}`, description, '{connection}')
  const count = one('count', 'Connections, by whether a call has them')
  const limit = one('max', 'Connections that may be open')
  const pending = gauge(
    meter,
    'db.client.connection.pending_requests',
    'Calls that wait for a connection',
    '{request}',
  )
  meter.addBatchObservableCallback(
    (result) => {
      for (const { name, open, used, max, waiting } of pools()) {
        const pool = { 'db.client.connection.pool.name': name }
        result.observe(count, used, { ...pool, 'db.client.connection.state': 'used' })
        result.observe(count, open - used, { ...pool, 'db.client.connection.state': 'idle' })
        result.observe(limit, max, pool)
        result.observe(pending, waiting, pool)
      }
    },
    [count, limit, pending],
  )
}

function watchRegistry(meter: Meter, { registry }: ServiceState): void {
  const registered = gauge(
    meter,
    'registry_registered',
    '1 where this instance is announced in the format, else 0',
    '',
  )
  const instances = gauge(meter, 'registry_instances', 'Instances in use', '{instance}')
  const unconfirmed = 'For how long the registry has not confirmed the list in use'
  const age = gauge(meter, 'registry_list_age_seconds', unconfirmed, 's')
  const attempts = meter.createObservableCounter('registry_attempts', {
    description: 'Tries to announce this instance',
    unit: '{attempt}',
  })
  meter.addBatchObservableCallback(
    (result) => {
      const state = registry()
      if (!state) return
      const { kind } = state
      for (const [format, is] of state.announced())
        result.observe(registered, Number(is), { registry: kind, format })
      for (const [outcome, count] of state.attempts)
        result.observe(attempts, count, { registry: kind, result: outcome })
      for (const { name, instances: count, ageMs } of state.lists()) {
        result.observe(instances, count, { registry: kind, name })
        result.observe(age, ageMs / 1000, { registry: kind, name })
      }
    },
    [registered, instances, age, attempts],
  )
}
