import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { findBrowser } from '../../scripts/chromium.ts'

/** The browser's program; undefined where there is none. */
export const browser = findBrowser()

export const noBrowser = 'there is no Chromium: install it, or name its program in TEST_BROWSER'

const limitMs = 60_000

/** Flags of a browser without a window that sends nothing of its own accord. */
export const flags = [
  '--headless',
  // Chromium's sandbox refuses root, and needs rights that containers rarely give.
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-crash-reporter',
  '--no-first-run',
  '--no-proxy-server',
  // For a service with a certificate of the test's own authority.
  '--ignore-certificate-errors',
  // The browser ends when this pipe does, so it does not outlive a test that was killed.
  '--remote-debugging-pipe',
]

/**
 * Opens a page in a fresh browser, which is killed, with all that it started, when the test ends.
 * The promise rejects when the browser ends before, or after a minute.
 */
export function openPage(t: Test, url: string): Promise<never> {
  if (browser === undefined) throw new Error(noBrowser)
  const profile = mkdtempSync(join(tmpdir(), 'test-browser-'))
  const child = spawn(browser, [...flags, `--user-data-dir=${profile}`, url], {
    detached: true,
    env: { PATH: process.env.PATH, HOME: profile, TMPDIR: profile },
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
  })
  const { promise, reject } = Promise.withResolvers<never>()
  let complaints = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (complaints += text))
  const fail = (what: string) => reject(new Error(`${browser} ${what}: ${complaints.slice(-2000)}`))
  const limit = setTimeout(() => fail('took too long'), limitMs)
  const exit = once(child, 'exit')
  exit.then(([code, signal]) => fail(`ended (${code ?? signal})`), reject)
  t.teardown(async () => {
    clearTimeout(limit)
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      process.kill(-child.pid, 'SIGKILL')
      await exit
    }
    // Its other processes may be about to end.
    rmSync(profile, { recursive: true, force: true, maxRetries: 20 })
  })
  return promise
}
