import { readFile } from 'node:fs/promises'
import type { Attributes } from '@opentelemetry/api'
import { type Resource, resourceFromAttributes } from '@opentelemetry/resources'
import type { Env } from '../conf/placeholder.ts'

/** Which program this is, for the resource of spans, metrics and log lines. */
export interface Identity {
  service: string
  version: string
  /** `deployment.environment.name`; empty: not set. */
  environment: string
}

// Variables that the manifest of a pod sets by Kubernetes' downward API. Elsewhere names such as
// CONTAINER_NAME mean other things; in each container of a pod Kubernetes sets KUBERNETES_SERVICE_HOST.
const fromPod = {
  POD_NAME: 'k8s.pod.name',
  POD_NAMESPACE: 'k8s.namespace.name',
  POD_UID: 'k8s.pod.uid',
  POD_IP: 'k8s.pod.ip',
  NODE_NAME: 'k8s.node.name',
  CONTAINER_NAME: 'k8s.container.name',
  DEPLOYMENT_NAME: 'k8s.deployment.name',
  CLUSTER_NAME: 'k8s.cluster.name',
} as const

/**
 * The resource of this process, by which a backend tells it from others. The SDK adds host, process, OS
 * and the variables OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME, which win.
 */
export function serviceResource({ service, version, environment }: Identity, env: Env): Resource {
  const attributes: Attributes = { 'service.name': service, 'service.version': version }
  if (environment !== '') attributes['deployment.environment.name'] = environment
  for (const [variable, name] of Object.entries(env.KUBERNETES_SERVICE_HOST ? fromPod : {}))
    if (env[variable]) attributes[name] = env[variable]
  return resourceFromAttributes({ ...attributes, 'container.id': containerId() })
}

/** The container's id by the cgroup (v1) or the mounts (v2) of this process; undefined outside. */
async function containerId(): Promise<string | undefined> {
  const [cgroup = '', mounts = ''] = await Promise.all(
    ['/proc/self/cgroup', '/proc/self/mountinfo'].map(readable),
  )
  const inGroup = /(?:^|[/-])([0-9a-f]{64})(?:\.scope)?$/m.exec(cgroup)
  const inMounts = /\/containers\/([0-9a-f]{64})\//.exec(mounts)
  return (inGroup ?? inMounts)?.[1]
}

/** The text of a file; empty where it cannot be read, as on systems other than Linux. */
function readable(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}
