import { setTimeout as sleep } from 'node:timers/promises'
import { type Failure, probe, type ProbeOptions, type ServerState } from './probe.ts'

const intervalMs = 250

/** How recently calls must have been answered for a failure of the monitor alone to be no outage. */
const servedMs = 400

type MonitorOptions = Pick<ProbeOptions, 'options' | 'mustWrite' | 'lastAnswerAt'>

/** Events of the monitor. Of `up`, `readOnly` and `down` none is repeated in a row. */
interface MonitorEvents {
  /** The server answers, and takes writes where it must, for the first time or again. */
  up: () => void
  readOnly: () => void
  down: (failure: Failure) => void
  /** Older connections lead to a server that takes no writes, and new ones elsewhere. */
  moved: () => void
}

/**
 * Asks the server again and again and tells each change. A stopped server neither answers nor refuses,
 * so only this can tell it from a slow statement.
 */
export function monitor(monitored: MonitorOptions, { up, readOnly, down, moved }: MonitorEvents) {
  const closing = new AbortController()
  const server = probe({ ...monitored, signal: closing.signal, moved })
  let known: ServerState | undefined

  function tell(state: ServerState): void {
    if (isSame(known, state)) return
    if (typeof state === 'object' && mayServe(state)) return
    known = state
    if (state === 'up') up()
    else if (state === 'read-only') readOnly()
    else down(state)
  }

  /** Whether calls may be served although the monitor has failed. */
  function mayServe({ isFull }: Failure): boolean {
    // The connections that the pool has work as before.
    if (isFull && typeof known === 'string') return true
    return performance.now() - monitored.lastAnswerAt() < servedMs
  }

  async function watch(): Promise<void> {
    while (!closing.signal.aborted) {
      const state = await server.state(known === 'up')
      if (closing.signal.aborted) break
      tell(state)
      await sleep(intervalMs, undefined, { signal: closing.signal }).catch(() => undefined)
    }
    server.close()
  }

  const ended = watch()
  return {
    close(): Promise<void> {
      closing.abort()
      server.close()
      return ended
    },
  }
}

function isSame(one: ServerState | undefined, other: ServerState): boolean {
  if (typeof one === 'object' && typeof other === 'object') return one.reason === other.reason
  return one === other
}
