// Runs test files beside each other, each in a process of its own.
//
// tap's own command puts a module into every process of a run, those that tests start too, which notes
// the files that are loaded, for coverage and for watching. For that it reads the source maps of all
// packages and keeps node from what it has compiled before: a second of CPU for each process.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'

import { type Totals, totals } from './report.ts'
import { project } from './tool.ts'

export interface Run {
  env: NodeJS.ProcessEnv
  /** How many files run at a time. */
  jobs: number
  /** For the tests of a file, which may lengthen it. */
  timeoutSeconds: number
  /** Stops the files that run; no other is started. */
  signal: AbortSignal
  /** Takes the TAP of all files as that of one test, a line at a time. */
  write: (line: string) => void
}

interface End {
  output: string
  code: number | null
  signal: NodeJS.Signals | null
}

const isWindows = process.platform === 'win32'

/**
 * Gives how many assertions passed, failed and were skipped. A file that ends with an error, or without
 * a test, counts as one failure at least.
 */
export async function runTestFiles(files: string[], run: Run): Promise<Totals> {
  const sums: Totals = { passed: 0, failed: 0, skipped: 0 }
  const waiting = files.values()
  async function work(): Promise<void> {
    for (const file of waiting) {
      if (run.signal.aborted) return
      const end = await ended(start(file, run), run)
      const counts = totals(end.output)
      const ok = end.code === 0 && counts !== undefined && counts.failed === 0
      tell(file, ok, end, run.write)
      sums.passed += counts?.passed ?? 0
      sums.failed += Math.max(counts?.failed ?? 0, ok ? 0 : 1)
      sums.skipped += counts?.skipped ?? 0
    }
  }
  await Promise.all(Array.from({ length: run.jobs }, work))
  return sums
}

/** In a group of its own, so that all that the file starts can be stopped with it. */
function start(file: string, { env, timeoutSeconds }: Run) {
  return spawn(process.execPath, [file], {
    cwd: project,
    env: { ...env, TAP_TIMEOUT: String(timeoutSeconds) },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: !isWindows,
  })
}

async function ended(child: ReturnType<typeof start>, { timeoutSeconds, signal }: Run) {
  const stop = () => signalGroup(child, 'SIGTERM')
  // tap ends a file by its time, but not one that never leaves a loop.
  const bound = setTimeout(() => signalGroup(child, 'SIGKILL'), 3 * timeoutSeconds * 1000)
  signal.addEventListener('abort', stop)
  try {
    const [output, [code, killedBy]] = await Promise.all([
      text(child.stdout),
      once(child, 'close') as Promise<[End['code'], End['signal']]>,
    ])
    // What it started may have ignored the signal, or drain for longer than anybody waits.
    if (signal.aborted) signalGroup(child, 'SIGKILL')
    return { output, code, signal: killedBy }
  } finally {
    clearTimeout(bound)
    signal.removeEventListener('abort', stop)
  }
}

/** Windows has no groups: there the file alone ends, and what it started by its pipes. */
function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(isWindows ? pid : -pid, signal)
  } catch (err) {
    // All of the group have ended.
    if ((err as NodeJS.ErrnoException).code !== 'ESRCH') throw err
  }
}

function tell(file: string, ok: boolean, { output, code, signal }: End, write: Run['write']): void {
  write(`# Subtest: ${file}`)
  for (const line of output.trimEnd().split('\n')) write(`    ${line}`)
  write(`${ok ? '' : 'not '}ok 1 - ${file}`)
  if (ok) return
  const tests = output === '' ? 'none' : 'some'
  for (const line of ['---', `exit code: ${code}`, `signal: ${signal}`, `tests: ${tests}`, '...'])
    write(`  ${line}`)
}
