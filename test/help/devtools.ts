import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex, Readable, Writable } from 'node:stream'
import type { Test } from 'tap'
import { browser, flags, noBrowser } from './browser.ts'

type Devtools = ReturnType<typeof devtools>

interface Message {
  id?: number
  sessionId?: string
  method?: string
  params?: Record<string, unknown>
  result?: Record<string, unknown>
  error?: { message: string }
}

/** A page of a browser that the test drives by the DevTools protocol. */
export interface DrivenPage {
  /** Calls a method of the protocol for the page. */
  call(method: string, params?: object): Promise<Record<string, unknown>>
  /** The value of an expression in the page; a promise is awaited. */
  evaluate(expression: string): Promise<unknown>
  /** The events of the page so far. */
  events: Message[]
}

/** Opens a browser that resolves no name, with an empty page. It ends with the test. */
export async function drivenPage(t: Test): Promise<DrivenPage> {
  return (await drivenBrowser(t))()
}

/**
 * Opens a browser that resolves no name, and gives what opens an empty page in it that shares nothing
 * with the pages before. It ends with the test.
 */
export async function drivenBrowser(t: Test): Promise<() => Promise<DrivenPage>> {
  if (browser === undefined) throw new Error(noBrowser)
  const profile = mkdtempSync(join(tmpdir(), 'test-browser-'))
  const rules = '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'
  const args = [...flags, rules, `--user-data-dir=${profile}`, '--window-size=1200,1400']
  const child = spawn(browser, [...args, 'about:blank'], {
    detached: true,
    env: { PATH: process.env.PATH, HOME: profile, TMPDIR: profile },
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
  })
  const exit = once(child, 'exit')
  t.teardown(async () => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL')
    await exit
    rmSync(profile, { recursive: true, force: true, maxRetries: 20 })
  })
  const [, , , input, output] = child.stdio as unknown as [never, never, never, Duplex, Duplex]
  const { send, eventsOf } = devtools(input, output)
  return () => emptyPage(send, eventsOf)
}

async function emptyPage(
  send: Devtools['send'],
  eventsOf: Devtools['eventsOf'],
): Promise<DrivenPage> {
  const context = await send('Target.createBrowserContext')
  const { targetId } = await send('Target.createTarget', { url: 'about:blank', ...context })
  const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true })
  const call: DrivenPage['call'] = (method, params) => send(method, params, String(sessionId))
  async function evaluate(expression: string): Promise<unknown> {
    const asked = { expression, awaitPromise: true, returnByValue: true }
    const { result, exceptionDetails } = await call('Runtime.evaluate', asked)
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails))
    return (result as { value?: unknown }).value
  }
  return { call, evaluate, events: eventsOf(String(sessionId)) }
}

/** The protocol over a pipe: JSON messages that end with a zero byte. */
function devtools(input: Writable, output: Readable) {
  const waiting = new Map<number, (message: Message) => void>()
  const events = new Map<string, Message[]>()
  function eventsOf(session: string): Message[] {
    const known = events.get(session) ?? []
    events.set(session, known)
    return known
  }
  let rest = ''
  let last = 0
  output.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\0')
    rest = parts.pop() ?? ''
    for (const part of parts) {
      const message = JSON.parse(part) as Message
      if (message.id === undefined) eventsOf(message.sessionId ?? '').push(message)
      else waiting.get(message.id)?.(message)
    }
  })
  async function send(method: string, params: object = {}, sessionId?: string) {
    const id = (last += 1)
    const { promise, resolve } = Promise.withResolvers<Message>()
    waiting.set(id, resolve)
    input.write(`${JSON.stringify({ id, method, params, ...(sessionId && { sessionId }) })}\0`)
    const { result, error } = await promise
    if (error) throw new Error(`${method}: ${error.message}`)
    return result ?? {}
  }
  return { send, eventsOf }
}
