import { readdirSync, readFileSync } from 'node:fs'

/** CPU time of all threads of a process so far, in ns: scheduler's own count, Linux only. */
export function cpuNs(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`)
  const times = tasks.map((task) => {
    const [running = ''] = readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')
    return Number(running)
  })
  return times.reduce((sum, time) => sum + time, 0)
}
