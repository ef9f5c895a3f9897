import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { runTestFiles } from '../../scripts/test-files.ts'
import { until } from '../help/until.ts'

const passing = `import { test } from 'tap'
test('adds', async (t) => { t.equal(1 + 1, 2) })
test('waits', { skip: 'no server' }, () => {})`

const failing = `import { test } from 'tap'
test('adds', async (t) => { t.equal(1 + 1, 2); t.equal(1 + 1, 3) })`

/** Waits for ever, as does the shell that it starts, which ignores SIGTERM. */
const lasting = `const { spawn } = require('node:child_process')
const { writeFileSync } = require('node:fs')
const script = 'trap "" TERM; echo ready; while :; do sleep 0.1; done'
const child = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] })
child.stdout.once('data', () => writeFileSync(process.env.PID_FILE, String(child.pid)))
setInterval(() => {}, 1000)`

function run(files: string[], env: NodeJS.ProcessEnv = {}, signal = new AbortController().signal) {
  const lines: string[] = []
  const write = (line: string) => lines.push(line)
  const ended = runTestFiles(files, {
    env: { ...process.env, ...env },
    jobs: 2,
    timeoutSeconds: 60,
    signal,
    write,
  })
  return { ended, lines }
}

/** The last lines of each file, which say whether it passed. */
const ends = (lines: string[]) => lines.filter((line) => /^(not )?ok /.test(line)).toSorted()

/** What has ended and was not waited for by its parent does not run. */
function isRunning(pid: number): boolean {
  const file = `/proc/${pid}/stat`
  return existsSync(file) && !/\) [ZX] /.test(readFileSync(file, 'utf8'))
}

test('the assertions of all files are added', async (t) => {
  const folder = t.testdir({ 'passing.test.ts': passing, 'failing.test.ts': failing })
  const [good, bad] = [join(folder, 'passing.test.ts'), join(folder, 'failing.test.ts')]
  const { ended, lines } = run([good, bad, good])
  t.strictSame(await ended, { passed: 3, failed: 1, skipped: 2 })
  t.strictSame(ends(lines), [`not ok 1 - ${bad}`, `ok 1 - ${good}`, `ok 1 - ${good}`])
})

test('a file that ends without a test, or by an error after its tests, is a failure', async (t) => {
  const late = `${passing}\nprocess.on('exit', () => { process.exitCode = 3 })`
  const folder = t.testdir({ 'none.test.ts': '', 'late.test.ts': late })
  const { ended, lines } = run([join(folder, 'none.test.ts'), join(folder, 'late.test.ts')])
  t.strictSame(await ended, { passed: 1, failed: 2, skipped: 1 })
  t.ok(lines.includes('  tests: none'))
  t.ok(lines.includes('  exit code: 3'))
})

test('what a stopped file has started ends too, and no other file begins', async (t) => {
  const folder = t.testdir({ 'lasting.test.cjs': lasting, 'passing.test.ts': passing })
  const PID_FILE = join(folder, 'pid')
  const stop = new AbortController()
  const files = ['lasting.test.cjs', 'lasting.test.cjs', 'passing.test.ts']
  const paths = files.map((file) => join(folder, file))
  const { ended } = run(paths, { PID_FILE }, stop.signal)
  await until('the shell', () => existsSync(PID_FILE) && readFileSync(PID_FILE, 'utf8') !== '')
  const pid = Number(readFileSync(PID_FILE, 'utf8'))
  stop.abort()
  t.strictSame(await ended, { passed: 0, failed: 2, skipped: 0 })
  await until('the end of the shell', () => !isRunning(pid))
  t.pass('the shell has ended')
})
