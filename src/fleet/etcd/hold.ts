import { Event_EventType } from '../../gen/etcd/rpc_pb.ts'
import { pause } from '../keep.ts'
import type { Report } from '../report.ts'
import type { EtcdSession } from './connection.ts'
import type { Entry } from './format.ts'
import { watchKeys } from './watch-keys.ts'

interface Holding {
  session: EtcdSession
  entry: Entry
  /** Whole seconds. */
  ttl: number
  timeoutMs: number
  /** Takes the key back. */
  signal: AbortSignal
  /** Called each time that etcd has taken the key. */
  held: () => void
  report: Pick<Report, 'contested'>
}

/** A key under a lease that etcd has granted. */
interface Leased extends Omit<Holding, 'entry' | 'ttl'> {
  format: string
  lease: bigint
  /** What etcd has granted; it may be more than was asked for. */
  ttlMs: number
  key: Uint8Array
  put: () => Promise<unknown>
  /** Of etcd when the key was put. */
  revision: bigint
}

/**
 * Puts a key under a lease of its own and keeps it there. Throws when it is lost. When the signal
 * aborts, the lease is revoked, which deletes the key at once.
 */
export async function holdKey({ entry, ttl, ...holding }: Holding): Promise<void> {
  const { session, timeoutMs, signal, held } = holding
  const call = { timeoutMs, signal }
  const { ID: lease, TTL } = await session.lease.leaseGrant({ TTL: BigInt(ttl) }, call)
  try {
    const key = Buffer.from(entry.key(lease))
    const put = () => session.kv.put({ key, value: Buffer.from(entry.value), lease }, call)
    const { header } = await put()
    held()
    const revision = header?.revision ?? 0n
    const { format } = entry
    await untilLost({ ...holding, format, lease, ttlMs: Number(TTL) * 1000, key, put, revision })
  } finally {
    // A lease that is lost ends by itself; a call for it would delay the next try.
    if (signal.aborted)
      await session.lease.leaseRevoke({ ID: lease }, { timeoutMs }).catch(() => undefined)
  }
}

async function untilLost(leased: Leased): Promise<void> {
  const ended = new AbortController()
  const signal = AbortSignal.any([leased.signal, ended.signal])
  const { promise: silent, reject } = Promise.withResolvers<never>()
  const answered = watchdog(leased.ttlMs, signal, reject)
  try {
    await Promise.race([beat(leased, signal, answered), watchOwn(leased, signal), silent])
  } finally {
    ended.abort()
  }
}

/** Keeps the lease alive. */
async function beat(
  { session, lease, ttlMs }: Leased,
  signal: AbortSignal,
  answered: () => void,
): Promise<void> {
  async function* beats() {
    while (!signal.aborted) {
      yield { ID: lease }
      await pause(ttlMs / 3, signal)
    }
  }
  for await (const { TTL } of session.lease.leaseKeepAlive(beats(), { signal })) {
    if (TTL <= 0n) throw new Error('the lease has expired')
    answered()
  }
  throw new Error('etcd has ended the stream of beats')
}

/**
 * Fails when no beat has been answered for the time of the lease: the connection may look alive while
 * etcd is stopped, and a process that was paused for so long has lost its lease. Returns the function
 * that notes an answer.
 */
function watchdog(ttlMs: number, signal: AbortSignal, failed: (err: Error) => void): () => void {
  let last = performance.now()
  const timer = setInterval(() => {
    const silentMs = performance.now() - last
    if (silentMs > ttlMs) failed(new Error(`no beat was answered for ${Math.round(silentMs)} ms`))
  }, ttlMs / 15)
  signal.addEventListener('abort', () => clearInterval(timer), { once: true })
  return () => {
    last = performance.now()
  }
}

/** Puts the key again when it is deleted while the lease lives. */
async function watchOwn(leased: Leased, signal: AbortSignal): Promise<void> {
  const { session, lease, key, put, revision, held, report, format } = leased
  for await (const events of watchKeys(session, [{ key, startRevision: revision + 1n }], signal)) {
    const last = events.at(-1)
    if (last?.type === Event_EventType.DELETE) {
      await put()
      held()
    } else if (last?.kv?.lease !== lease) report.contested(format)
  }
}
