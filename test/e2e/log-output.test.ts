import { type ChildProcess, execFileSync } from 'node:child_process'
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  rmdirSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import type { Test } from 'tap'
import { freePort } from '../../scripts/free-port.ts'
import { freshSqlitePath } from '../help/db.ts'
import { spawnService, untilReady } from '../help/process.ts'
import { until } from '../help/until.ts'

type Line = Record<string, unknown>
type Service = Awaited<ReturnType<typeof start>>

const freePorts = { HTTP_ADDR: '127.0.0.1:0', METRICS_ADDR: '127.0.0.1:0' }

/**
 * Starts the service with its lines going to `stdout`, of which `written` gives what can be read;
 * nothing where that cannot be, and then `env` has the ports.
 */
async function start(
  t: Test,
  stdout: 'pipe' | number,
  written: (child: ChildProcess) => () => string,
  env: Record<string, string> = freePorts,
) {
  const storage = { SQLITE_PATH: freshSqlitePath(t), GRPC_ADDR: '127.0.0.1:0' }
  const service = spawnService(t, { ...freePorts, ...storage, ...env }, [], stdout)
  const text = written(service.child)
  let addresses: Awaited<ReturnType<typeof addressesIn>>
  await until('the line with the addresses', async () => {
    if (service.child.exitCode !== null) throw new Error(service.stderr())
    addresses = await addressesIn(text(), env)
    return addresses !== undefined
  })
  if (addresses === undefined) throw new Error('there are no addresses')
  await untilReady(`${addresses.rest}/readyz`)
  return { ...service, ...addresses, text }
}

/** The addresses of the service that has written `text`, or else those in `env`, once it serves. */
async function addressesIn(text: string, env: Record<string, string>) {
  const serving = /^.*"msg":"serving.*\n/m.exec(text)?.[0]
  const { http, metrics } = serving
    ? (JSON.parse(serving) as { http: string; metrics: string })
    : { http: env.HTTP_ADDR ?? '', metrics: env.METRICS_ADDR ?? '' }
  const [rest, scraped] = [`http://${http}`, `http://${metrics}/metrics`]
  return (await fetch(rest).catch(() => undefined)) && { rest, metrics: scraped }
}

/** Starts the service with a pipe that is read until it serves, and not any more then. */
async function startOnPipe(t: Test, env: Record<string, string> = {}) {
  let text = ''
  const service = await start(
    t,
    'pipe',
    ({ stdout }) => {
      stdout?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      return () => text
    },
    env,
  )
  service.child.stdout?.pause()
  return service
}

const path = '/a'.repeat(128)

/** Makes `count` calls, each with a line of some 500 bytes. */
async function call(t: Test, { rest }: Service, count: number): Promise<void> {
  let left = count
  async function caller(): Promise<void> {
    while (left > 0) {
      left -= 1
      const response = await fetch(rest + path)
      await response.bytes()
      if (response.status !== 404) t.fail(`status ${response.status}`)
    }
  }
  await Promise.all(Array.from({ length: 20 }, caller))
}

/** Says whether `line` is that of a call by `call`. */
function isCall(line: Line): boolean {
  return line.path === path
}

/** Parses each line of `text`. */
function linesOf(text: string): Line[] {
  const lines = text.trimEnd().split('\n')
  return lines.map((line) => JSON.parse(line) as Line)
}

async function scrape({ metrics }: Service): Promise<string> {
  return (await fetch(metrics)).text()
}

async function dropped(service: Service): Promise<number> {
  const text = await scrape(service)
  return Number(/^log_lines_dropped_total\{output="stdout"\} (\d+)$/m.exec(text)?.[1])
}

/** How many requests have been answered; each has one line. */
async function answered(service: Service): Promise<number> {
  const text = await scrape(service)
  const counts = text.matchAll(/^http_server_request_duration_seconds_count\{.*\} (\d+)$/gm)
  return Array.from(counts, ([, count]) => Number(count)).reduce((a, b) => a + b)
}

async function untilDropped(service: Service, count: number): Promise<void> {
  await until(`${count} dropped lines`, async () => (await dropped(service)) >= count)
}

async function stopped(t: Test, service: Service): Promise<void> {
  service.child.kill('SIGTERM')
  t.equal(await service.exit, 0, 'SIGTERM ends it')
  t.equal(service.stderr(), '')
}

/** What is written before the first request's line, or beside it. */
const linesOfStart = ['migrated', 'serving']

for (const format of ['json', 'pretty'])
  test(`calls are answered while no line can be written (${format})`, async (t) => {
    const full = openSync('/dev/full', 'w')
    t.teardown(() => closeSync(full))
    const ports = {
      HTTP_ADDR: `127.0.0.1:${await freePort()}`,
      METRICS_ADDR: `127.0.0.1:${await freePort()}`,
    }
    const service = await start(t, full, () => () => '', { ...ports, LOG_FORMAT: format })
    await call(t, service, 20)
    const lines = (await answered(service)) + linesOfStart.length
    await untilDropped(service, lines)
    t.equal(await dropped(service), lines, 'each line is counted once')
    await stopped(t, service)
  })

/** A directory with 64 KiB of space; why there is none where that is so. In CI there must be one. */
function smallDisk(t: Test): string | Error {
  const dir = mkdtempSync(join(tmpdir(), 'test-disk-'))
  t.teardown(() => rmdirSync(dir))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', dir], { stdio: 'pipe' })
  } catch (err) {
    if (process.env.CI) throw err
    return err as Error
  }
  t.teardown(() => execFileSync('umount', ['--lazy', dir]))
  return dir
}

/** Writes to a file in `dir` until there is no space for a byte. */
function fill(dir: string): string {
  const path = join(dir, 'filler')
  const fd = openSync(path, 'w')
  try {
    for (;;) writeSync(fd, Buffer.alloc(4096))
  } catch {
    closeSync(fd)
    return path
  }
}

test('whole lines come back with the space of a disk that was full', async (t) => {
  const disk = smallDisk(t)
  if (disk instanceof Error) return void t.pass('skipped', { skip: disk.message })
  const file = join(disk, 'log')
  const log = openSync(file, 'w')
  t.teardown(() => closeSync(log))
  const service = await start(t, log, () => () => readFileSync(file, 'utf8'))
  const filler = fill(disk)
  await call(t, service, 100)
  await untilDropped(service, 50)
  rmSync(filler)
  const count = await dropped(service)
  await call(t, service, 5)
  await stopped(t, service)
  const parsed = linesOf(service.text())
  t.match(parsed.at(-1), { msg: 'stopped' })
  t.match(
    parsed.filter(({ msg }) => msg === 'log lines were dropped'),
    [{ level: 'warn', lines: count }],
  )
  t.equal(parsed.filter(isCall).length + count, 105, 'each call has its line or is counted')
})

/** More calls than have lines that a pipe or a socket holds; fewer than have lines that may wait. */
const toBlock = 800

test('calls are answered while a reader stands still, and lines wait for it', async (t) => {
  const service = await startOnPipe(t)
  await call(t, service, toBlock)
  t.equal(await dropped(service), 0)
  service.child.stdout?.resume()
  await stopped(t, service)
  const parsed = linesOf(service.text())
  t.equal(parsed.filter(isCall).length, toBlock)
  t.match(parsed.at(-1), { msg: 'stopped' })
})

test('a reader that stands still does not keep the service from its end', async (t) => {
  const service = await startOnPipe(t)
  await call(t, service, toBlock)
  await stopped(t, service)
})

test('a second signal ends the service although nobody reads its lines', async (t) => {
  const service = await startOnPipe(t, { DRAIN_DELAY: '600s' })
  await call(t, service, toBlock)
  service.child.kill('SIGTERM')
  await until(
    'the first signal',
    async () => (await fetch(`${service.rest}/readyz`)).status !== 200,
  )
  service.child.kill('SIGTERM')
  t.equal(await service.exit, 1)
})

test('calls are answered after the reader of standard output has gone', async (t) => {
  const service = await startOnPipe(t)
  service.child.stdout?.destroy()
  const before = await dropped(service)
  await call(t, service, 20)
  await untilDropped(service, before + 20)
  await stopped(t, service)
})
