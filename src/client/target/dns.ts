import { setTimeout as sleep } from 'node:timers/promises'
import { type Address, address, type Lookup, type WatchAddresses } from './address.ts'

/** After a failure it is tried sooner. */
const retryMs = 1000

/**
 * The addresses of a name, of both families, resolved again and again. A name that cannot be resolved
 * leaves the last list in force.
 */
export function resolved(
  { host, port, secure }: Address,
  { everyMs, lookup }: { everyMs: number; lookup: Lookup },
): WatchAddresses {
  return function watch(told, signal) {
    void resolving()

    async function resolving(): Promise<void> {
      let last = ''
      while (!signal.aborted) {
        const found = await lookup(host).catch(() => [])
        const sorted = [...new Set(found)].toSorted()
        if (!signal.aborted && sorted.length > 0 && sorted.join() !== last) {
          last = sorted.join()
          told(sorted.map((ip) => ({ ...address(ip, port, secure), resolvedFrom: host })))
        }
        const pauseMs = sorted.length > 0 ? everyMs : Math.min(retryMs, everyMs)
        await sleep(pauseMs, undefined, { signal, ref: false }).catch(() => undefined)
      }
    }
  }
}
