import { readFile } from 'node:fs/promises'
import type { Attributes } from '@opentelemetry/api'
import { type Resource, resourceFromAttributes } from '@opentelemetry/resources'
import type { Env } from '../conf/placeholder.ts'

export interface Identity {
  service: string
  version: string
  /** deployment.environment.name; empty: not set. */
  environment: string
}

// What a pod's manifest passes on by the downward API.
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

/** Says which process spans come from. The SDK adds host, process, OS, and what OTEL_* says, which wins. */
export function serviceResource({ service, version, environment }: Identity, env: Env): Resource {
  const attributes: Attributes = { 'service.name': service, 'service.version': version }
  if (environment !== '') attributes['deployment.environment.name'] = environment
  for (const [variable, name] of Object.entries(fromPod))
    if (env[variable]) attributes[name] = env[variable]
  return resourceFromAttributes({ ...attributes, 'container.id': containerId() })
}

/** By the cgroup (v1) or the mounts (v2) of this process; undefined outside of a container. */
async function containerId(): Promise<string | undefined> {
  const [cgroup = '', mounts = ''] = await Promise.all(
    ['/proc/self/cgroup', '/proc/self/mountinfo'].map(readable),
  )
  const inGroup = /(?:^|[/-])([0-9a-f]{64})(?:\.scope)?$/m.exec(cgroup)
  const inMounts = /\/containers\/([0-9a-f]{64})\//.exec(mounts)
  return (inGroup ?? inMounts)?.[1]
}

/** Not on Linux there is nothing to read. */
function readable(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}
