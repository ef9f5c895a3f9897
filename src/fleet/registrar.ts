import { messageOf } from './discovery.ts'
import { keep } from './keep.ts'
import type { Instance, Registrar } from './registry.ts'
import type { Report } from './report.ts'

/** One form in which an instance is announced. */
interface Announcement {
  format: string
  /**
   * Announces and keeps the announcement until it is lost, which it throws, or until the signal
   * aborts; takes it back then. Calls `held` each time that the registry has taken it.
   */
  hold: (signal: AbortSignal, held: () => void) => Promise<unknown>
}

/** A Registrar by one loop for each announcement of the instance. */
export function registrarOf(
  announcements: (instance: Instance) => readonly Announcement[],
  maxPauseMs: number,
  report: Report,
): Registrar {
  let stop = new AbortController()
  let loops: Promise<void>[] = []

  async function run({ format, hold }: Announcement, signal: AbortSignal): Promise<void> {
    await keep({
      signal,
      maxPauseMs,
      attempt: (held) =>
        hold(signal, () => {
          held()
          report.announced(format)
        }),
      failed: (err) => report.lost(format, messageOf(err)),
    })
    report.withdrawn(format)
  }

  return {
    announce(instance) {
      if (loops.length > 0) return
      stop = new AbortController()
      loops = announcements(instance).map((each) => run(each, stop.signal))
    },
    async withdraw() {
      stop.abort()
      await Promise.all(loops)
      loops = []
    },
  }
}
