import { setTimeout as sleep } from 'node:timers/promises'
import { durationMs } from '@bufbuild/protobuf/wkt'
import type { Conf } from '../conf/conf.ts'
import type { Readiness } from '../server/health/readiness.ts'
import type { OpenAuth } from './auth.ts'
import type { Cache } from './cache.ts'
import type { Clients } from './client/clients.ts'
import type { LiveConfig } from './config/live.ts'
import type { Fleet } from './fleet/fleet.ts'
import type { Module } from './module.ts'
import type { Ports } from './port/ports.ts'
import type { OpenQuota } from './limit/quota.ts'
import type { OpenShedding } from './limit/shedding.ts'
import type { Storage } from './storage/storage.ts'
import type { Watch } from './watch.ts'

/**
 * The minimum time to send telemetry, even if open calls have used the whole time of the shutdown.
 */
const minFlushMs = 500

interface Lived {
  shutdown: Conf['server']['shutdown']
  ready: Readiness
  ports: Ports
  modules: readonly Module[]
  clients: Pick<Clients, 'close'>
  storage: Storage
  /** Undefined: nothing is cached. */
  cache: Cache | undefined
  watch: Watch
  /** Undefined: there is no registry. */
  fleet: Fleet | undefined
  /** Undefined: nobody is limited. */
  quota: OpenQuota | undefined
  /** Undefined: no call is refused for load. */
  shed: OpenShedding | undefined
  /** Undefined: everybody may call. */
  auth: OpenAuth | undefined
  config: LiveConfig
}

/** Starts and stops the parts of the process in order. */
export function lifecycle({ shutdown, ready, ports, modules, ...parts }: Lived) {
  const { clients, storage, cache, watch, fleet, config } = parts
  let stopped: Promise<void> | undefined

  /**
   * Not ready → leave the registry → drain delay → stop accepting → finish open calls → close modules,
   * clients, cache, database, telemetry.
   */
  async function stop(): Promise<void> {
    ready.set('shutdown', 'the service is being stopped')
    await config.close()
    // Clients that have the list get no error for calls that they send in the drain delay.
    await fleet?.leave()
    await sleep(durationMs(shutdown.drainDelay))
    const begin = performance.now()
    const graceMs = durationMs(shutdown.timeout)
    await ports.close(graceMs)
    parts.quota?.close()
    parts.shed?.close()
    parts.auth?.close()
    await Promise.all(modules.map(async (module) => module.close?.()))
    await clients.close()
    await fleet?.close()
    await cache?.close()
    await storage.close()
    // After the last exchange has ended, in the time that remains.
    await watch.stop(Math.max(minFlushMs, graceMs - (performance.now() - begin)))
  }

  return {
    /**
     * Opens both ports, then connects to the database and migrates it. Resolves, too, if the
     * database cannot be used yet. Calls `rejected` if the database rejects a migration, perhaps
     * much later. Returns the addresses of the ports.
     */
    async start(rejected: (err: Error) => void) {
      // Ports first, so that a probe finds the process alive while migrations run.
      const addresses = await ports.listen()
      fleet?.join(addresses)
      cache?.start()
      config.follow()
      await storage.start(watch.log, {
        changed(problems) {
          for (const [check, problem] of Object.entries(problems)) ready.set(check, problem)
        },
        rejected,
      })
      return addresses
    },
    /** Stops in the order above. A second call waits for the first. */
    stop: () => (stopped ??= stop()),
  }
}
