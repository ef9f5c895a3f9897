// Runs the tests on a database server of their own: all, or the files that are given; `--timeout=SECONDS`
// is for those that are made longer. The last line is `N passed, N failed`, in assertions.
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { parse } from 'yaml'

import { findBrowser } from './chromium.ts'
import { testDatabase } from './mariadb.ts'
import { fleetPrograms } from './fleet-programs.ts'
import { type OnDemand, provide } from './on-demand.ts'
import { Refusal } from './new/refusal.ts'
import { aptInstall, findProgram } from './program.ts'
import { fetchPrometheus, findPrometheus } from './prometheus.ts'
import { compact } from './report.ts'
import { runTestFiles } from './test-files.ts'
import { project } from './tool.ts'

const { values, positionals: files } = parseArgs({
  allowPositionals: true,
  options: { timeout: { type: 'string' } },
})
const interrupted = new AbortController()
const interrupt = () => interrupted.abort()

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
  if (interrupted.signal.aborted) return 1
  const inFleet = files.length === 0 || files.some((file) => file.includes('fleet'))
  // They are built while packages are fetched.
  const fleet = inFleet ? fleetPrograms() : undefined
  const missing = missingPackages()
  // One by one where a distribution lacks one of them, as Ubuntu has no Chromium.
  if (missing.length > 0 && !aptInstall(...missing)) for (const name of missing) aptInstall(name)
  if (files.length === 0 || files.some(needsGax)) providePackage('google-gax')
  if (files.length === 0 || files.some(writesMigrations)) providePackage('drizzle-kit')
  const env = {
    ...process.env,
    // Each file is a process of its own: half a second of it was spent on compiling the same sources.
    // Not the folder of the service, which a test empties.
    NODE_COMPILE_CACHE: join(project, 'node_modules/.cache/compile-tests'),
    ...(await fleet),
    TEST_MYSQL_DSN: database.dsn,
  }
  const { passed, failed, skipped } = await runTestFiles(files.length === 0 ? allFiles() : files, {
    env,
    ...limits(),
    signal: interrupted.signal,
    write: shown(),
  })
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
  return failed > 0 || interrupted.signal.aborted ? 1 : 0
}

/** Backwards by name: those of telemetry take long, and those of app let no core stand idle at the end. */
function allFiles(): string[] {
  return globSync('test/**/*.test.ts', { cwd: project }).toSorted().toReversed()
}

/** As tap's own command has them. */
function limits(): { jobs: number; timeoutSeconds: number } {
  const settings = parse(readFileSync(join(project, '.taprc'), 'utf8')) as Record<string, number>
  return { jobs: settings.jobs ?? 1, timeoutSeconds: Number(values.timeout ?? settings.timeout) }
}

function shown(): (line: string) => void {
  const compacted = compact()
  return (line) => {
    const text = compacted(line)
    if (text !== undefined) console.log(text)
  }
}

/** Packages of Debian whose programs the test files ask, and that are not there. */
function missingPackages(): string[] {
  const wanted = [
    { name: 'haproxy', found: findProgram('haproxy'), asked: isProxied },
    { name: 'nginx-light', found: findProgram('nginx'), asked: isProxied },
    { name: 'redis-server', found: findProgram('redis-server'), asked: isCached },
    { name: 'chromium', found: findBrowser(), asked: needsBrowser },
  ]
  return wanted
    .filter(({ found, asked }) => !found && (files.length === 0 || files.some(asked)))
    .map(({ name }) => name)
}

/** Whether a test file has a proxy before the service. */
function isProxied(file: string): boolean {
  return /rollout|proxies/.test(file)
}

/** Whether a test file asks Redis. */
function isCached(file: string): boolean {
  return /redis|cache|quota|fleet/.test(file)
}

/** Whether a test file needs a browser. A check of verify may, too. */
function needsBrowser(file: string): boolean {
  return file.includes('browser') || !file.endsWith('.test.ts')
}

/** Whether a test file asks Prometheus' programs. A check of verify may, too. */
function needsPrometheus(file: string): boolean {
  return /metric|deploy/.test(file) || !file.endsWith('.test.ts')
}

/** Whether a test file calls by Google's client. A check of verify may, too. */
function needsGax(file: string): boolean {
  return /gax|showcase/.test(file) || !file.endsWith('.test.ts')
}

/** Whether a test file makes a resource, or a migration alone. A check of verify may, too. */
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
