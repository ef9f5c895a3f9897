import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { ExchangeObserver } from '../server/exchange/exchange.ts'

interface IdleMemory {
  observer: ExchangeObserver
  start(): void
  stop(): void
}

interface Memory {
  /** In bytes. */
  resident(): number
  /** Gives back what is not in use; the process stands still meanwhile, for some 100 ms. */
  release(): void
}

const lookMs = 1000
/** So many looks without an exchange that begins or ends, and the process is idle. */
const idleLooks = 2
/** Less is not worth the pause. */
const worthBytes = 64 * 2 ** 20

/**
 * Gives memory back once a burst of calls is over. V8 collects when something is allocated: a process
 * that is left alone keeps the garbage of its busiest moment, and keeps the replica that an autoscaler
 * judges by its memory. Only while nobody calls, since nobody is answered during it.
 */
export function idleMemory(memory: Memory = ofProcess()): IdleMemory {
  let exchanges = 0
  let seen = 0
  let looks = 0
  let floor: number | undefined
  let timer: NodeJS.Timeout | undefined

  function look(): void {
    looks = exchanges === seen ? looks + 1 : 0
    seen = exchanges
    if (looks !== idleLooks) return
    floor ??= memory.resident()
    if (memory.resident() - floor < worthBytes) return
    memory.release()
    floor = memory.resident()
  }

  function note(): void {
    exchanges += 1
  }

  return {
    observer: { begin: note, end: note },
    start() {
      timer = setInterval(look, lookMs).unref()
    },
    stop: () => clearInterval(timer),
  }
}

function ofProcess(): Memory {
  // Node has no API for it; the flag only makes the function known to contexts that are made later.
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (options: object) => void
  return {
    resident: () => process.memoryUsage.rss(),
    // Any other flavor keeps the emptied pages.
    release: () => collect({ type: 'major', execution: 'sync', flavor: 'last-resort' }),
  }
}
