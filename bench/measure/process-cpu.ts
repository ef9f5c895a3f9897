import { readdirSync, readFileSync } from 'node:fs'

/**
 * CPU time in ns that the threads of a process have had, of those that are alive: the scheduler's own
 * count, for slices too short for `cpuSeconds`. Linux only.
 */
export function cpuNs(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`)
  const times = tasks.map((task) => {
    const [running = ''] = readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')
    return Number(running)
  })
  return times.reduce((sum, time) => sum + time, 0)
}

/** CPU time in ms that the main thread of a process has had. Linux only. */
export function mainThreadMs(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ', 1)[0]) / 1e6
}

/** Linux shows times in these, whatever the clock of its kernel is. */
const ticksPerSecond = 100

/** User and system time of a process, of threads that have ended too; in steps of 10 ms. Linux only. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The name of the program is in parentheses and may have spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

/** Megabytes of a process that are in memory. Linux only. */
export function rssMb(pid: number): number {
  const [, kb] = /^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kb) / 1024
}
