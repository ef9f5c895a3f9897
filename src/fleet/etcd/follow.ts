import { type Event, Event_EventType } from '../../gen/etcd/rpc_pb.ts'
import { messageOf } from '../discovery.ts'
import type { Instance } from '../registry.ts'
import type { Report } from '../report.ts'
import type { EtcdSession } from './connection.ts'
import { goZeroInstance, goZeroPrefix, kratosInstance, kratosPrefix } from './format.ts'
import { prefixEnd, watchKeys } from './watch-keys.ts'

interface Following {
  session: EtcdSession
  /** Of Kratos' keys. */
  namespace: string
  name: string
  timeoutMs: number
  signal: AbortSignal
  report: Report
}

/** The keys of one format, with the instances that could be read. */
interface Found {
  prefix: string
  read: (value: string) => Instance | undefined
  instances: Map<string, Instance>
}

/**
 * Tells the instances of a service after its list has been read and after each change. Throws when
 * etcd is lost, or has forgotten the changes since the list.
 */
export async function followService(
  { session, namespace, name, timeoutMs, signal, report }: Following,
  list: (instances: readonly Instance[]) => void,
): Promise<void> {
  const formats: Found[] = [
    found(kratosPrefix(namespace, name), (value) => kratosInstance(value, name)),
    found(goZeroPrefix(name), (value) => goZeroInstance(value, name)),
  ]
  const ranges = await Promise.all(
    formats.map(async (format) => {
      const range = { key: Buffer.from(format.prefix), rangeEnd: prefixEnd(format.prefix) }
      const { header, kvs } = await session.kv.range(range, { timeoutMs, signal })
      for (const { key, value } of kvs) put(format, utf8(key), utf8(value), report)
      return { ...range, startRevision: (header?.revision ?? 0n) + 1n }
    }),
  )
  list(inForce(formats))
  for await (const events of watchKeys(session, ranges, signal)) {
    for (const event of events) apply(event, formats, report)
    list(inForce(formats))
  }
}

function found(prefix: string, read: Found['read']): Found {
  return { prefix, read, instances: new Map() }
}

/**
 * Those of Kratos' format where there are any, else those of go-zero's: an instance that is announced
 * in both says more in the first.
 */
function inForce(formats: readonly Found[]): readonly Instance[] {
  const { instances } = formats.find(({ instances }) => instances.size > 0) ?? {
    instances: new Map<string, Instance>(),
  }
  return [...new Map(Array.from(instances.values(), (each) => [each.id, each])).values()]
}

function apply({ type, kv }: Event, formats: readonly Found[], report: Report): void {
  if (!kv) return
  const key = utf8(kv.key)
  const format = formats.find(({ prefix }) => key.startsWith(prefix))
  if (!format) return
  if (type === Event_EventType.DELETE) format.instances.delete(key)
  else put(format, key, utf8(kv.value), report)
}

/** A value that cannot be read takes its own instance away, and no other. */
function put({ read, instances }: Found, key: string, value: string, report: Report): void {
  instances.delete(key)
  try {
    const instance = read(value)
    if (instance) instances.set(key, instance)
  } catch (err) {
    report.broken(key, messageOf(err))
  }
}

function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString()
}
