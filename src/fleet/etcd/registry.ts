import { discoveryOf } from '../discovery.ts'
import { registrarOf } from '../registrar.ts'
import type { Discovery, Registrar } from '../registry.ts'
import type { Report } from '../report.ts'
import { etcdConnection, type EtcdOptions, type EtcdSession } from './connection.ts'
import { followService } from './follow.ts'
import { entriesOf, type Names } from './format.ts'
import { holdKey } from './hold.ts'

interface EtcdRegistryOptions extends EtcdOptions {
  names: Names
  /** Seconds; a part of one counts as a whole one. */
  ttl: number
}

const maxPauseMs = 15_000
// A client whose list is old calls nodes that have gone.
const maxWatchPauseMs = 2000

/** Announces and finds instances in etcd, over one connection. */
export function etcdRegistry(
  { names, ttl, ...options }: EtcdRegistryOptions,
  report: Report,
): { registrar: Registrar; discovery: Discovery } {
  const connection = etcdConnection(options, report.connecting)
  const { timeoutMs } = options

  async function withSession(work: (session: EtcdSession) => Promise<void>): Promise<void> {
    const session = await connection.open()
    try {
      await work(session)
    } catch (err) {
      connection.leave(session, err)
      throw err
    }
  }

  const registrar = registrarOf(
    (instance) =>
      entriesOf(instance, names).map((entry) => ({
        format: entry.format,
        hold(signal, held) {
          return withSession((session) =>
            holdKey({ session, entry, ttl: Math.ceil(ttl), timeoutMs, signal, held, report }),
          )
        },
      })),
    maxPauseMs,
    report,
  )
  const discovery = discoveryOf({
    maxPauseMs: maxWatchPauseMs,
    report,
    follow(name, signal, list) {
      const following = { namespace: names.namespace, name, timeoutMs, signal, report }
      return withSession((session) => followService({ session, ...following }, list))
    },
    closed: () => connection.close(),
  })
  return { registrar, discovery }
}
