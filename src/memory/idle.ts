import { processMemory } from './process-memory.ts'

interface IdleMemory {
  /** To be called when an exchange begins or ends. */
  note: () => void
  /** Begins to look once a second. */
  start(): void
  stop(): void
}

const lookMs = 1000
/** Consecutive looks without a beginning or end of an exchange, after which the process is idle. */
const idleLooks = 2
/** Growth since the last release below which the pause is not worth it. */
const minGrowthBytes = 64 * 2 ** 20

/**
 * Returns memory to the system once a burst of calls is over. V8 collects garbage when it allocates, so
 * an idle process keeps the garbage of its busiest moment, and an autoscaler that judges by memory keeps
 * the replica. It costs the calls that follow: V8 throws compiled code away, too (ADR 31).
 */
export function idleMemory(memory = processMemory()): IdleMemory {
  let exchanges = 0
  let seen = 0
  let looks = 0
  let floor = 0
  let timer: NodeJS.Timeout | undefined

  function look(): void {
    looks = exchanges === seen ? looks + 1 : 0
    seen = exchanges
    if (looks !== idleLooks) return
    if (memory.resident() - floor < minGrowthBytes) return
    memory.release()
    floor = memory.resident()
  }

  return {
    note: () => void (exchanges += 1),
    start() {
      floor = memory.resident()
      timer = setInterval(look, lookMs).unref()
    },
    stop: () => clearInterval(timer),
  }
}
