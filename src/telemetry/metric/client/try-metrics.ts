import type { Meter } from '@opentelemetry/api'
import type { ConnectError } from '@connectrpc/connect'
import { statusOf } from '../../../call/status.ts'
import type { CallMetrics, NodeState, RetryReason, Try } from '../../../client/observer.ts'
import { kratosKind, other, reasonOf } from '../../rpc-status.ts'
import { kratosSeconds } from '../buckets.ts'
import {
  type Count,
  counts,
  type Distribution,
  distributions,
  type Family,
  record,
} from '../family.ts'

/** Reasons of other services that are told apart; they are those services' to choose. */
const maxReasons = 100
/** Nodes that are told of. */
const maxNodes = 1000

function clientFamilies() {
  return {
    requests: counts({
      name: 'client_requests_code_total',
      description:
        'Tries of calls to other services, by the HTTP status of their code and by their reason',
      unit: '{call}',
    }),
    seconds: distributions(
      {
        name: 'client_requests_seconds',
        description: 'Time of tries of calls to other services',
        unit: 's',
      },
      kratosSeconds,
    ),
    retries: counts({
      name: 'client_retries_total',
      description: 'Further tries of calls to other services, by what was wrong with the last one',
      unit: '{try}',
    }),
  }
}

/** The series of a method. */
interface Series {
  seconds: Distribution
  /** Of tries that succeed. */
  ok: Count
}

/** Counts tries of calls to other services, under Kratos' names. `watch` is to be called once. */
export function clientMetrics() {
  const families = clientFamilies()
  const nodes = new Set<() => NodeState[]>()
  const reasonLabel = knownReasons()
  const seriesOf = seriesByMethod(families)
  const retries = Object.fromEntries(
    (['unsent', 'unavailable', 'hedge'] as const).map((reason) => [
      reason,
      families.retries.series({ reason }),
    ]),
  ) as Record<RetryReason, Count>

  function failed(operation: string, protocol: Try['protocol'], error: ConnectError): void {
    const labels = { kind: kratosKind(protocol), operation }
    const reason = reasonLabel(reasonOf(error))
    families.requests.series({ ...labels, code: statusOf(error), reason }).value += 1
  }

  const calls: CallMetrics = {
    ended({ operation, protocol }, ms, error) {
      const series = seriesOf(operation, protocol)
      record(series.seconds, ms / 1000)
      if (error) failed(operation, protocol, error)
      else series.ok.value += 1
    },
    rejected: failed,
    retried(reason) {
      retries[reason].value += 1
    },
    nodes(read) {
      nodes.add(read)
      return () => void nodes.delete(read)
    },
  }
  return {
    calls,
    families: Object.values(families) as Family<unknown>[],
    watch: (meter: Meter) => watchNodes(meter, nodes),
  }
}

function seriesByMethod({ requests, seconds }: ReturnType<typeof clientFamilies>) {
  const known = new Map<Try['protocol'], Map<string, Series>>()
  return function seriesOf(operation: string, protocol: Try['protocol']): Series {
    const ofProtocol = known.get(protocol) ?? new Map<string, Series>()
    const old = ofProtocol.get(operation)
    if (old) return old
    const labels = { kind: kratosKind(protocol), operation }
    const series = {
      seconds: seconds.series(labels),
      ok: requests.series({ ...labels, code: 200, reason: '' }),
    }
    known.set(protocol, ofProtocol.set(operation, series))
    return series
  }
}

/** The first reasons that look like one, and the same word for all others. */
function knownReasons(): (reason: string) => string {
  const known = new Set<string>()
  return function labelOf(reason) {
    if (known.has(reason)) return reason
    if (known.size >= maxReasons || !/^[A-Za-z]\w{0,63}$/.test(reason)) return other
    known.add(reason)
    return reason
  }
}

function watchNodes(meter: Meter, readers: ReadonlySet<() => NodeState[]>): void {
  const description =
    '1 for a node of a target that gets no calls since its connection failed, else 0'
  meter.createObservableGauge('client_node_down', { description }).addCallback((result) => {
    const states = [...readers].flatMap((read) => read()).slice(0, maxNodes)
    for (const { name, down } of states) result.observe(Number(down), { node: name })
  })
}
