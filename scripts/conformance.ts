// Runs the Connect conformance suite against the RPC port: `npm run conformance [-- flags of the runner]`.
// The last line is `N passed, N failed, N known`. Exit code: 0 if nothing failed, 1 if something did,
// 2 if the suite could not be run, for which one line gives the reason.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { knownFailures, readReport } from './conformance-report.ts'
import { findRunner } from './conformance-runner.ts'

const root = join(import.meta.dirname, '..')
const cache = join(root, '.cache/conformance')
const folder = join(root, 'test/conformance')
const failing = join(folder, 'known-failing.txt')
const flaky = join(folder, 'known-flaky.txt')
// More than all cases take with TLS where the machine is busy with others.
const deadlineMs = 20 * 60_000

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (err) {
  console.error(`conformance: not run: ${err instanceof Error ? err.message : String(err)}`)
  process.exitCode = 2
}

async function main(flags: string[]): Promise<number> {
  const { output, code, ended } = await run(findRunner(cache), flags)
  const known = [failing, flaky].flatMap((file) => knownFailures(readFileSync(file, 'utf8')))
  const report = readReport(output, known)
  if (report === undefined) {
    console.log(output)
    console.log(ended ? 'The runner gave no totals.' : `No end after ${deadlineMs / 1000} s.`)
    console.log('0 passed, 1 failed, 0 known')
    return 1
  }
  for (const failure of report.failures) console.log(failure)
  // The runner also fails for what is no case, which it tells on standard error.
  const failed = code === 0 ? report.failed : Math.max(report.failed, 1)
  console.log(`${report.passed} passed, ${failed} failed, ${report.known} known`)
  return failed === 0 ? 0 : 1
}

async function run(runner: string, flags: string[]) {
  const args = ['--mode', 'server', '--conf', join(folder, 'features.yaml')]
  args.push('--known-failing', `@${failing}`, '--known-flaky', `@${flaky}`)
  // A server has ten seconds to start, also where the machine is busy with the others.
  args.push('--max-servers', '1', ...flags)
  // In a process group of its own, so that it is stopped with its servers.
  const child = spawn(runner, [...args, '--', process.execPath, join(folder, 'server.ts')], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_COMPILE_CACHE: join(cache, 'compiled') },
  })
  let ended = true
  const deadline = setTimeout(() => {
    ended = false
    stop(child)
  }, deadlineMs)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop(child))
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')])
  clearTimeout(deadline)
  return { output, code: typeof code === 'number' ? code : 1, ended }
}

function stop({ pid, exitCode, signalCode }: ChildProcess): void {
  if (pid !== undefined && exitCode === null && signalCode === null) process.kill(-pid, 'SIGKILL')
}
