import mysql, { type Connection, type ConnectionOptions } from 'mysql2'
import { setTimeout as sleep } from 'node:timers/promises'

/** How often the server is asked, and how long it may take; both well below a call's deadline. */
const intervalMs = 250
const answerMs = 400

interface MonitorEvents {
  /** The server answers, for the first time or again. */
  up: () => void
  /** It does not, for this reason. */
  down: (reason: string) => void
  /** When it has last answered a call, by `performance.now()`: it is busy then, and not gone. */
  lastAnswerAt: () => number
}

/**
 * Asks the server again and again on a connection of its own, and tells each change. A stopped server
 * neither answers nor refuses, so only this can tell it from a slow statement.
 */
export function monitor(options: ConnectionOptions, { up, down, lastAnswerAt }: MonitorEvents) {
  const closing = new AbortController()
  let connection: Connection | undefined
  let known: string | undefined

  async function ask(): Promise<void> {
    while (!closing.signal.aborted) {
      connection ??= connected(options)
      const problem = await answer(connection, lastAnswerAt)
      if (closing.signal.aborted) break
      if (problem !== '') {
        connection.destroy()
        connection = undefined
      }
      if (problem !== known) {
        known = problem
        if (problem === '') up()
        else down(problem)
      }
      await sleep(intervalMs, undefined, { signal: closing.signal }).catch(() => undefined)
    }
    connection?.destroy()
  }

  const ended = ask()
  return {
    close(): Promise<void> {
      closing.abort()
      connection?.destroy()
      return ended
    },
  }
}

function connected(options: ConnectionOptions): Connection {
  const connection = mysql.createConnection(options)
  // The failure is told by the ping; without a listener it would end the process.
  connection.on('error', () => undefined)
  return connection
}

/** Empty when the server answers, else why not. */
function answer(connection: Connection, lastAnswerAt: () => number): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  // One turn later: an answer that has arrived while this process was busy counts.
  function judge(): void {
    const isBusy = performance.now() - lastAnswerAt() < answerMs
    resolve(isBusy ? '' : `no answer within ${answerMs} ms`)
  }
  const late = () => setImmediate(judge)
  const timer = setTimeout(late, answerMs)
  connection.ping((err: DriverError | null) => resolve(err ? reason(err) : ''))
  return promise.finally(() => clearTimeout(timer))
}

type DriverError = Error & { code?: string }

/** The code says enough, except for TLS, where mysql2 gives one code to all that may be wrong. */
function reason({ code, message }: DriverError): string {
  if (code === undefined) return message
  return code === 'HANDSHAKE_SSL_ERROR' ? `${code}: ${message}` : code
}
