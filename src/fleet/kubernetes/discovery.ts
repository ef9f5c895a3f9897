import { discoveryOf } from '../discovery.ts'
import type { Discovery } from '../registry.ts'
import type { Report } from '../report.ts'
import { type ApiOptions, kubernetesApi } from './api.ts'
import { followService } from './follow.ts'

interface KubernetesOptions extends ApiOptions {
  /** Of names without one; empty: the pod's own. */
  namespace: string
  timeoutMs: number
}

const maxPauseMs = 15_000

/**
 * Finds the endpoints of Services in Kubernetes. There is no registrar: a pod is announced by the
 * Service that selects it, while its readiness probe succeeds.
 */
export function kubernetesDiscovery(
  { namespace, timeoutMs, ...options }: KubernetesOptions,
  report: Report,
): Discovery {
  const api = kubernetesApi(options)
  return discoveryOf({
    maxPauseMs,
    report,
    follow: (name, signal, list) =>
      followService({ api, name, namespace, timeoutMs, signal, report }, list),
  })
}
