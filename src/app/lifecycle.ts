import { setTimeout as sleep } from 'node:timers/promises'
import { durationMs } from '@bufbuild/protobuf/wkt'
import type { Conf } from '../conf/conf.ts'
import type { Readiness } from '../server/health/readiness.ts'
import type { Module } from './module.ts'
import type { Ports } from './ports.ts'
import type { Storage } from './storage.ts'
import type { Watch } from './watch.ts'

/** Spans get this long at least, also where calls have used up the time of the shutdown. */
const minFlushMs = 500

interface Lived {
  shutdown: Conf['server']['shutdown']
  ready: Readiness
  ports: Ports
  modules: readonly Module[]
  storage: Storage
  watch: Watch
}

/** In which order the parts of the process begin and end. */
export function lifecycle({ shutdown, ready, ports, modules, storage, watch }: Lived) {
  let stopped: Promise<void> | undefined

  /** Not ready → drain delay → stop accepting → finish what is in flight → close the database. */
  async function stop(): Promise<void> {
    ready.set('shutdown', 'the service is being stopped')
    await sleep(durationMs(shutdown.drainDelay))
    const begin = performance.now()
    const graceMs = durationMs(shutdown.timeout)
    await ports.close(graceMs)
    await Promise.all(modules.map(async (module) => module.close?.()))
    await storage.close()
    // After the last exchange has ended, and with what is left of the time.
    await watch.stop(Math.max(minFlushMs, graceMs - (performance.now() - begin)))
  }

  return {
    /**
     * Opens both ports, then connects to the database and migrates it, or finds that it cannot yet.
     * `rejected` is told when the database rejects a migration, perhaps much later.
     */
    async start(rejected: (err: Error) => void) {
      // Ports first: a probe can see that the process is alive while migrations run.
      const addresses = await ports.listen()
      await storage.start(watch.log, {
        changed(problems) {
          for (const [check, problem] of Object.entries(problems)) ready.set(check, problem)
        },
        rejected,
      })
      return addresses
    },
    /** Stops in order, as above; a second call waits for the first. */
    stop: () => (stopped ??= stop()),
  }
}
