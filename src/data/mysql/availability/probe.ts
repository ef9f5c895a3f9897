import mysql, { type Connection, type ConnectionOptions } from 'mysql2'
import { abortable } from '../../abortable.ts'
import { isRejected, isWithoutConnection } from '../error.ts'
import { query } from '../execute.ts'

/** How long an answer may take, well below a call's deadline. */
const answerMs = 400

const silence = `no answer within ${answerMs} ms`

/** How long a connection may take where none is known to work: round trips, TLS and a login. */
const connectMs = 5_000

/** Why a server cannot be used. */
export interface Failure {
  /** A code of the driver or the server, or what there is instead. */
  reason: string
  /** The driver's own words, with the account that was refused for instance, but no secret. */
  message: string
  /** The server has said nothing, and would not on another connection either. */
  isSilent: boolean
  /** The server is there and has refused a connection because it has too many. */
  isFull?: boolean
}

/** The state of a server; a `read-only` one answers, but takes no writes. */
export type ServerState = 'up' | 'read-only' | Failure

/** How one server is asked for its state. */
export interface ProbeOptions {
  options: ConnectionOptions
  /** Whether the server must take writes, as a primary does. */
  mustWrite: boolean
  /** When it has last answered a call, by `performance.now()`: it is busy then, and not gone. */
  lastAnswerAt: () => number
  signal: AbortSignal
  /** A new connection leads to a server that is well, and the old one to one that takes no writes. */
  moved: () => void
}

/** Asks a server how it is, on a connection of its own that it keeps while all is well. */
export function probe(asking: ProbeOptions) {
  const { options, mustWrite, signal, moved } = asking
  const ask = mustWrite ? askWritable : askAlive
  let connection: Connection | undefined
  let connectedInMs = 0

  function drop(): void {
    connection?.destroy()
    connection = undefined
  }

  async function asked(by: Connection): Promise<ServerState> {
    const state = await withinTime(asking, (answered) => ask(by, answered))
    if (state !== 'up') drop()
    return state
  }

  async function connectAndAsk(limitMs: number): Promise<ServerState> {
    const since = performance.now()
    try {
      connection = await connected(options, limitMs, signal)
    } catch (err) {
      return { ...failureOf(err), isFull: isWithoutConnection(err) }
    }
    connectedInMs = performance.now() - since
    return asked(connection)
  }

  return {
    /**
     * An old connection may have been killed, or its server may be the primary no more, so bad news
     * counts when a new one brings it, too. That one must come soon where the server `isUp`.
     */
    async state(isUp: boolean): Promise<ServerState> {
      const first = connection && (await asked(connection))
      if (first === 'up' || (typeof first === 'object' && first.isSilent)) return first
      const state = await connectAndAsk(isUp ? Math.max(answerMs, 2 * connectedInMs) : connectMs)
      if (first === 'read-only' && state === 'up') moved()
      return state
    },
    close: drop,
  }
}

function connected(
  options: ConnectionOptions,
  limitMs: number,
  signal: AbortSignal,
): Promise<Connection> {
  const connection = mysql.createConnection(options)
  // A failure is told by the question; without a listener it would end the process.
  connection.on('error', () => undefined)
  const attempt = abortable<Connection>(signal, (givenUp) => {
    clearTimeout(timer)
    if (givenUp) connection.destroy()
  })
  const late = () => attempt.giveUp(new Error(`no connection within ${Math.round(limitMs)} ms`))
  // One turn of the event loop later: what has arrived while this process was busy counts.
  const timer = setTimeout(() => setImmediate(late), limitMs)
  connection.connect((err) => {
    if (err) attempt.reject(err)
    else attempt.resolve(connection)
  })
  return attempt.promise
}

type Answered = (state: ServerState) => void

/** The state by the answer to one question; silence counts from the last answer to anything. */
function withinTime(
  { signal, lastAnswerAt }: Pick<ProbeOptions, 'signal' | 'lastAnswerAt'>,
  ask: (answered: Answered) => void,
): Promise<ServerState> {
  let isOver = false
  const wait = abortable<ServerState>(signal, () => {
    isOver = true
    clearTimeout(timer)
  })
  function judge(): void {
    const leftMs = answerMs - (performance.now() - lastAnswerAt())
    if (isOver) return
    if (leftMs > 0) timer = setTimeout(late, leftMs)
    else wait.resolve({ reason: silence, message: silence, isSilent: true })
  }
  // One turn of the event loop later, as above.
  const late = () => setImmediate(judge)
  let timer = setTimeout(late, answerMs)
  ask(wait.resolve)
  return wait.promise.catch(failureOf)
}

function askAlive(connection: Connection, answered: Answered): void {
  connection.ping((err: Error | null) => answered(err ? failureOf(err) : 'up'))
}

function askWritable(connection: Connection, answered: Answered): void {
  query(connection, 'SELECT @@GLOBAL.read_only AS read_only').then(
    ([row]) => answered(isReadOnly(row?.read_only) ? 'read-only' : 'up'),
    // A server or a proxy without the variable has answered, too.
    (err: unknown) => answered(isRejected(err) ? 'up' : failureOf(err)),
  )
}

/** 0 and 1, or from MariaDB 12 on a word. */
function isReadOnly(value: unknown): boolean {
  return /^(?:1|ON|NO_LOCK.*)$/.test(String(value))
}

/** The code says enough, except for TLS, where mysql2 gives one code to all that may be wrong. */
function failureOf(err: unknown): Failure {
  const { code, message } = err as Error & { code?: string }
  const isTls = code === 'HANDSHAKE_SSL_ERROR'
  const reason = code === undefined ? message : isTls ? `${code}: ${message}` : code
  // The error of a host with several addresses has no message.
  return { reason, message: message || reason, isSilent: false }
}
