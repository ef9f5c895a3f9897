import { readFileSync } from 'node:fs'
import { performance } from 'node:perf_hooks'

/** What the process has used since it began. */
export interface Usage {
  /** Milliseconds of the clock. */
  atMs: number
  /** Milliseconds of a core that the thread of JavaScript has computed. */
  threadMs: number
  /** The same for all threads of the process. */
  processMs: number
  /** Milliseconds in which the event loop was not waiting. */
  loopMs: number
}

const sampleMs = 250
// Of the value before in each new one, so that a pause of the garbage collector is no load.
const decay = 0.95

/**
 * How busy the process is: of one core, since JavaScript has no more, and of the part of a core that its
 * container may use if that is less. The event loop tells, too, of a thread that waits for the disk, or
 * for a core that others use.
 */
export function load(usage: () => Usage = usageOfProcess, cores = coresOfContainer()) {
  let before = usage()
  let busy = 0
  let timer: NodeJS.Timeout | undefined

  function sample(): void {
    const after = usage()
    const ms = after.atMs - before.atMs
    if (ms <= 0) return
    const part = Math.max(
      (after.threadMs - before.threadMs) / ms,
      (after.loopMs - before.loopMs) / ms,
      (after.processMs - before.processMs) / ms / cores,
    )
    before = after
    // A sample that comes late stands for the time that it covers.
    const kept = decay ** (ms / sampleMs)
    busy = busy * kept + Math.min(1, part) * (1 - kept)
  }

  return {
    sample,
    /** From 0 to 1. */
    busy: () => busy,
    start(): void {
      timer ??= setInterval(sample, sampleMs).unref()
    },
    stop: () => clearInterval(timer),
  }
}

function usageOfProcess(): Usage {
  const thread = process.threadCpuUsage()
  const all = process.cpuUsage()
  return {
    atMs: performance.now(),
    threadMs: (thread.user + thread.system) / 1000,
    processMs: (all.user + all.system) / 1000,
    loopMs: performance.eventLoopUtilization().active,
  }
}

/**
 * Cores that the container of the process may use, by version 2 of Linux' control groups. Infinite where
 * it may use one or more: a thread has no use for a second one.
 */
export function coresOfContainer(read = () => readFileSync('/sys/fs/cgroup/cpu.max', 'utf8')) {
  try {
    const [quota, period] = read().split(' ').map(Number)
    const cores = (quota ?? NaN) / (period ?? NaN)
    return cores > 0 && cores < 1 ? cores : Number.POSITIVE_INFINITY
  } catch {
    return Number.POSITIVE_INFINITY
  }
}
