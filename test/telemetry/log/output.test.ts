import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import pino from 'pino'
import { test } from 'tap'
import type { Test } from 'tap'
import { logOutput } from '../../../src/telemetry/log/output.ts'
import { until } from '../../help/until.ts'

/** Parses each line of `text`. */
function linesOf(text: string): unknown[] {
  const lines = text.trimEnd().split('\n')
  return lines.map((line) => JSON.parse(line))
}

/** A pipe; `read` gives what it holds, or throws EAGAIN where that is nothing. */
function pipe(t: Test) {
  const path = join(t.testdir(), 'pipe')
  execFileSync('mkfifo', [path])
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  t.teardown(() => closeSync(fd))
  const buffer = Buffer.alloc(1024 * 1024)
  return { fd, read: () => buffer.toString('latin1', 0, readSync(fd, buffer)) }
}

/** What the pipe has; nothing where the log has yet to write. */
function nextOf(read: () => string): string {
  try {
    return read()
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === 'EAGAIN') return ''
    throw err
  }
}

test('what waits for a reader is bounded, and errors have room that others have not', async (t) => {
  const { fd, read } = pipe(t)
  const told: number[] = []
  const output = logOutput({ fd, recovered: (lines) => told.push(lines) })
  const log = pino({ base: null }, output)
  const text = 'x'.repeat(10_000)
  while (output.dropped() === 0) for (let line = 0; line < 100; line += 1) log.info(text)
  log.error('an error')
  log.info(text)
  const lost = output.dropped()
  let received = ''
  await until('the error to be written', () => {
    received += nextOf(read)
    return received.includes('an error')
  })
  t.ok(received.length > 4e6 && received.length < 5e6, `${received.length} bytes had waited`)
  t.match(linesOf(received).at(-1), { msg: 'an error' })
  t.strictSame([output.dropped(), told], [lost, [lost]])
})

test('lines of one turn of the event loop are one write, an error is written at once', async (t) => {
  const { fd, read } = pipe(t)
  const log = pino({ base: null }, logOutput({ fd, recovered: (lines) => t.fail(String(lines)) }))
  log.info('first')
  log.info('second')
  t.throws(read, { code: 'EAGAIN' }, 'nothing is written yet')
  await setImmediate()
  t.match(linesOf(read()), [{ msg: 'first' }, { msg: 'second' }])
  log.info('third')
  log.error('fourth')
  t.match(linesOf(read()), [{ msg: 'third' }, { msg: 'fourth' }])
})
