import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** The memory of this process. */
export function processMemory() {
  // Node has no API for this. The flag takes effect in contexts that are made after it is set.
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (options: object) => void
  return {
    /** Resident size in bytes. */
    resident: () => process.memoryUsage.rss(),
    /**
     * Returns unused memory to the system. The process stands still meanwhile, for about 100 ms, and
     * V8 throws compiled code away.
     */
    release: () => collect({ type: 'major', execution: 'sync', flavor: 'last-resort' }),
  }
}
