import {
  type EventLoopUtilization,
  performance,
  type PerformanceEntry,
  PerformanceObserver,
} from 'node:perf_hooks'
import v8 from 'node:v8'
import type { Attributes, Meter } from '@opentelemetry/api'
import { collectionSeconds, delaySeconds } from './buckets.ts'
import { type Distribution, distributions, type Family, record } from './family.ts'

type Collection = PerformanceEntry & { detail: { kind: number } }

const sampleMs = 20
const utilizationWindowMs = 5_000

/** Names of GC kinds by the constants of node:perf_hooks, as `v8js.gc.type` has them. */
const gcTypes: Record<number, string> = { 1: 'minor', 4: 'major', 8: 'incremental', 16: 'weakcb' }

/**
 * Watches the process: event loop, heap, garbage collector, CPU, memory. The names are those of
 * OpenTelemetry's conventions for Node.js and V8, and Prometheus' own for the process. `stop` ends it.
 */
export function runtimeMetrics(meter: Meter) {
  const delay = distributions(
    {
      name: 'nodejs.eventloop.delay',
      description: `How late a timer of ${sampleMs} ms comes`,
      unit: 's',
    },
    delaySeconds,
  )
  const collections = distributions(
    { name: 'v8js.gc.duration', description: 'Time of garbage collections', unit: 's' },
    collectionSeconds,
  )
  const stops = [
    sampleDelay(delay.series({})),
    watchCollections(collections),
    watchUtilization(meter),
  ]
  watchHeap(meter)
  watchProcess(meter)
  return {
    families: [delay, collections] as Family<unknown>[],
    stop: () => stops.forEach((stop) => stop()),
  }
}

/** Not perf_hooks' histogram: it is reset by reading, so that two readers would each miss values. */
function sampleDelay(delay: Distribution): () => void {
  let last = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    record(delay, Math.max(0, now - last - sampleMs) / 1000)
    last = now
  }, sampleMs).unref()
  return () => clearInterval(timer)
}

function watchCollections(family: Family<Distribution>): () => void {
  const series = new Map(
    Object.entries(gcTypes).map(([kind, type]) => [
      Number(kind),
      family.series({ 'v8js.gc.type': type }),
    ]),
  )
  const observer = new PerformanceObserver((list) => {
    for (const { duration, detail } of list.getEntries() as Collection[]) {
      const known = series.get(detail.kind)
      if (known) record(known, duration / 1000)
    }
  })
  observer.observe({ entryTypes: ['gc'] })
  return () => observer.disconnect()
}

function watchUtilization(meter: Meter): () => void {
  let before: EventLoopUtilization = performance.eventLoopUtilization()
  let utilization = 0
  const timer = setInterval(() => {
    const now = performance.eventLoopUtilization()
    utilization = performance.eventLoopUtilization(now, before).utilization
    before = now
  }, utilizationWindowMs).unref()
  meter
    .createObservableGauge('nodejs.eventloop.utilization', {
      description: `Part of the last ${utilizationWindowMs / 1000} s in which the event loop worked`,
      unit: '1',
    })
    .addCallback((result) => result.observe(utilization))
  meter
    .createObservableCounter('nodejs.eventloop.time', {
      description: 'Time of the event loop, by whether it worked or waited',
      unit: 's',
    })
    .addCallback((result) => {
      const { active, idle } = performance.eventLoopUtilization()
      result.observe(active / 1000, { 'nodejs.eventloop.state': 'active' })
      result.observe(idle / 1000, { 'nodejs.eventloop.state': 'idle' })
    })
  return () => clearInterval(timer)
}

function watchHeap(meter: Meter): void {
  const bytes = (name: string, description: string) =>
    meter.createObservableGauge(name, { description, unit: 'By' })
  const used = bytes('v8js.memory.heap.used', 'Heap in use, by space')
  const size = bytes('v8js.memory.heap.limit', 'Heap that is set aside, by space')
  const limit = bytes('nodejs.heap.size.limit', 'Heap at which V8 gives up')
  meter.addBatchObservableCallback(
    (result) => {
      for (const space of v8.getHeapSpaceStatistics()) {
        if (space.space_size === 0) continue
        const name: Attributes = { 'v8js.heap.space.name': space.space_name }
        result.observe(used, space.space_used_size, name)
        result.observe(size, space.space_size, name)
      }
      result.observe(limit, v8.getHeapStatistics().heap_size_limit)
    },
    [used, size, limit],
  )
}

function watchProcess(meter: Meter): void {
  meter
    .createObservableGauge('process_start_time_seconds', {
      description: 'When the process began, in Unix time',
      unit: 's',
    })
    .addCallback((result) => result.observe(performance.timeOrigin / 1000))
  meter
    .createObservableCounter('process_cpu_seconds', {
      description: 'CPU time of the process, of all its threads',
      unit: 's',
    })
    .addCallback((result) => {
      const { user, system } = process.cpuUsage()
      result.observe((user + system) / 1e6)
    })
  meter
    .createObservableGauge('process_resident_memory_bytes', {
      description: 'Memory that the process holds',
      unit: 'By',
    })
    .addCallback((result) => result.observe(process.memoryUsage.rss()))
}
