// Runs the tests on a database server of their own; arguments (test files) are passed on to tap.
// The last line is `N passed, N failed`, in assertions.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

import { testBrowser } from './chromium.ts'
import { testDatabase } from './mariadb.ts'
import { fleetPrograms } from './fleet-programs.ts'
import { type OnDemand, provide } from './on-demand.ts'
import { Refusal } from './new/refusal.ts'
import { aptInstall, findProgram } from './program.ts'
import { fetchPrometheus, findPrometheus } from './prometheus.ts'
import { compact, totals } from './report.ts'
import { tool } from './tool.ts'

const root = join(import.meta.dirname, '..')
const graceMs = 2000
const isWindows = process.platform === 'win32'
const files = process.argv.slice(2)
let tap: ChildProcess | undefined
let interrupted = false

function interrupt(): void {
  interrupted = true
  if (tap) stop(tap)
}

process.on('SIGINT', interrupt).on('SIGTERM', interrupt)
// The reader of the output is gone, as after `| head`: the database must not outlive the run.
process.stdout.on('error', interrupt)

try {
  process.exitCode = await main()
} catch (err) {
  console.error(err instanceof Error ? err.message : err)
  process.exitCode = 1
}

async function main(): Promise<number> {
  // Tests of Prometheus are skipped without it; in CI, where every test must run, that is a
  // failure.
  const measured = files.length === 0 || files.some(needsPrometheus)
  if (measured && !findPrometheus() && !fetchPrometheus() && process.env.CI)
    throw new Error('no prometheus found: install it (Debian: prometheus), with its promtool')
  await using database = await testDatabase()
  if (interrupted) return 1
  const proxied = files.length === 0 || files.some((file) => /rollout|proxies/.test(file))
  if (proxied && findProgram('haproxy') === undefined) aptInstall('haproxy', 'No HAProxy found')
  if (proxied && findProgram('nginx') === undefined) aptInstall('nginx-light', 'No nginx found')
  const cached = files.length === 0 || files.some((file) => /redis|cache|quota|fleet/.test(file))
  if (cached && findProgram('redis-server') === undefined)
    aptInstall('redis-server', 'No Redis found')
  if (files.length === 0 || files.some(needsGax)) providePackage('google-gax')
  if (files.length === 0 || files.some(writesMigrations)) providePackage('drizzle-kit')
  const browser = files.length === 0 || files.some(needsBrowser) ? testBrowser() : undefined
  const inFleet = files.length === 0 || files.some((file) => file.includes('fleet'))
  const { code, output } = await runTap({
    ...process.env,
    // Each file is a process of its own: half a second of it was spent on compiling the same sources.
    // Not the folder of the service, which a test empties.
    NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/compile-tests'),
    ...(inFleet && fleetPrograms()),
    TEST_MYSQL_DSN: database.dsn,
    ...(browser !== undefined && { TEST_BROWSER: browser }),
  })
  const { passed, failed, skipped } = totals(output) ?? { passed: 0, failed: 0, skipped: 0 }
  // tap also fails without a failed test, for a run that ends early.
  const failures = code === 0 ? failed : Math.max(failed, 1)
  console.log(`${passed} passed, ${failures} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
  return code === 0 && failed > 0 ? 1 : code
}

/** Whether a test file needs a browser. A folder may have tests that do. */
function needsBrowser(file: string): boolean {
  return file.includes('browser') || !file.endsWith('.test.ts')
}

/** Whether a test file asks Prometheus' programs. A folder may have tests that do. */
function needsPrometheus(file: string): boolean {
  return /metric|deploy/.test(file) || !file.endsWith('.test.ts')
}

/** Whether a test file calls by Google's client. A folder may have tests that do. */
function needsGax(file: string): boolean {
  return /gax|showcase/.test(file) || !file.endsWith('.test.ts')
}

/** Whether a test file makes a resource, or a migration alone. A folder may have tests that do. */
function writesMigrations(file: string): boolean {
  return /scripts\/new/.test(file) || !file.endsWith('.test.ts')
}

/** Without a package its tests say what installs it; in CI, where every test must run, that is a failure. */
function providePackage(name: OnDemand): void {
  try {
    provide(name)
  } catch (err) {
    if (process.env.CI || !(err instanceof Refusal)) throw err
    console.log(err.message)
  }
}

/** tap passes a signal on and then waits for its tests, however long they take. */
function stop(child: ChildProcess): void {
  signalGroup(child, 'SIGTERM')
  setTimeout(() => signalGroup(child, 'SIGKILL'), graceMs).unref()
}

/** Windows has no groups: there tap alone ends, and its tests by their pipes. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  const { pid, exitCode, signalCode } = child
  if (pid === undefined || exitCode !== null || signalCode !== null) return
  if (isWindows) child.kill(signal)
  else process.kill(-pid, signal)
}

type Run = { code: number; output: string }

/** Starts tap in its own process group, so that all of its processes can be stopped. */
async function runTap(env: NodeJS.ProcessEnv): Promise<Run> {
  const args = [...tool('tap', 'tap').slice(1), ...files]
  return process.stdout.isTTY ? onTerminal(args, env) : asLines(args, env)
}

async function onTerminal(args: string[], env: NodeJS.ProcessEnv): Promise<Run> {
  const dir = mkdtempSync(join(tmpdir(), 'tap-output-'))
  try {
    const file = join(dir, 'output.tap')
    tap = spawn(process.execPath, [...args, `--output-file=${file}`], {
      env,
      stdio: 'inherit',
      detached: !isWindows,
    })
    const code = await exitCode(tap)
    return { code, output: readFileSync(file, 'utf8') }
  } finally {
    rmSync(dir, { recursive: true })
  }
}

async function asLines(args: string[], env: NodeJS.ProcessEnv): Promise<Run> {
  const child = spawn(process.execPath, [...args, '--reporter=tap', '--no-color'], {
    env,
    stdio: ['inherit', 'pipe', 'inherit'],
    detached: !isWindows,
  })
  tap = child
  const ended = exitCode(child)
  const shown = compact()
  let output = ''
  for await (const line of createInterface({ input: child.stdout })) {
    output += `${line}\n`
    const text = shown(line)
    if (text !== undefined) console.log(text)
  }
  return { code: await ended, output }
}

async function exitCode(child: ChildProcess): Promise<number> {
  const [code] = await once(child, 'close')
  return typeof code === 'number' ? code : 1
}
