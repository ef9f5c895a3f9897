import { isObject, textOf } from '../../text/json-object.ts'
import { messageOf } from '../discovery.ts'
import { pause } from '../keep.ts'
import type { Instance } from '../registry.ts'
import type { Report } from '../report.ts'
import type { Api } from './api.ts'
import { merged, type Slice, sliceOf } from './slices.ts'

interface Following {
  api: Api
  /** `name` or `name.namespace`. */
  name: string
  /** Of a name without one; empty: the pod's own. */
  namespace: string
  timeoutMs: number
  signal: AbortSignal
  report: Report
}

/** The API server ends a watch after so long; the next one goes on where it has ended. */
const watchSeconds = 120
/** Between two watches, so that a server that ends each at once is not asked all the time. */
const maxPauseMs = 1_000

/**
 * Tells the ready endpoints of a service after its list has been read and after each change. Throws
 * when the API server is lost, or has forgotten the changes since the last that was seen.
 */
export async function followService(
  following: Following,
  list: (instances: readonly Instance[]) => void,
): Promise<void> {
  const { api, timeoutMs, signal } = following
  const base = await pathOf(following)
  const { items, version } = listOf(await api.json(base, { signal, silenceMs: timeoutMs }))
  const slices = new Map<string, Slice>()
  for (const item of items) put(item, slices, following)
  list(merged(slices.values()))
  let last = version
  while (!signal.aborted) {
    const watch = `${base}&watch=true&allowWatchBookmarks=true&timeoutSeconds=${watchSeconds}&resourceVersion=${last}`
    const silenceMs = watchSeconds * 1000 + timeoutMs
    for await (const line of api.lines(watch, { signal, silenceMs })) {
      const { type, object } = eventOf(line)
      last = versionOf(object)
      if (type === 'BOOKMARK') continue
      put(object, slices, following, type === 'DELETED')
      list(merged(slices.values()))
    }
    await pause(Math.random() * maxPauseMs, signal)
  }
}

async function pathOf({ api, name, namespace }: Following): Promise<string> {
  const [service = '', given] = name.split('.', 2)
  const own = namespace === '' ? await api.namespace() : namespace
  const label = encodeURIComponent(`kubernetes.io/service-name=${service}`)
  const folder = `/apis/discovery.k8s.io/v1/namespaces/${encodeURIComponent(given ?? own)}`
  return `${folder}/endpointslices?labelSelector=${label}`
}

function listOf(answer: unknown): { items: readonly unknown[]; version: string } {
  const items = isObject(answer) ? answer.items : undefined
  return { items: Array.isArray(items) ? items : [], version: versionOf(answer) }
}

function versionOf(object: unknown): string {
  const metadata = isObject(object) ? object.metadata : undefined
  return isObject(metadata) ? textOf(metadata.resourceVersion) : ''
}

/** An event of a watch. A version that is too old is one, too, with the status 200 of its answer. */
function eventOf(line: unknown): { type: string; object: unknown } {
  const { type, object } = isObject(line) ? line : {}
  if (type === 'ERROR') {
    const message = isObject(object) ? textOf(object.message) : ''
    throw new Error(`Kubernetes has ended the watch: ${message}`)
  }
  return { type: textOf(type), object }
}

/** A slice that cannot be read leaves the others, and what was known of its own. */
function put(
  object: unknown,
  slices: Map<string, Slice>,
  { name, report }: Following,
  isDeleted = false,
): void {
  try {
    const slice = sliceOf(object, name)
    if (isDeleted) slices.delete(slice.name)
    else slices.set(slice.name, slice)
  } catch (err) {
    report.broken(name, messageOf(err))
  }
}
