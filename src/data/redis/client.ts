import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { Redis, type RedisOptions as DriverOptions, ReplyError } from 'ioredis'
import { abortable } from '../abortable.ts'
import { RedisError } from './error.ts'
import { type ObserveRedis, type RedisCall, unobservedRedis } from './observer.ts'
import { closed, pulse } from './pulse.ts'
import { redisName, type RedisPlace } from './url.ts'

/** How Redis is reached. */
export interface RedisOptions {
  place: RedisPlace
  /** PEM files for rediss://; empty: the known authorities, no certificate. */
  tls?: { caFile: string; certFile: string; keyFile: string }
  /** For one answer. */
  timeoutMs?: number
  /** After a silence or a loss: how long until Redis is tried again. */
  pauseMs?: number
  /** Told why Redis cannot be used, once for each reason, and told '' when it can be used again. */
  changed?: (problem: string) => void
  observe?: ObserveRedis | undefined
}

/** A connection to one Redis, as openRedis makes it. */
export type RedisClient = ReturnType<typeof openRedis>

/** Of the connection's making, and of an answer to a connection before it is given up. */
const connectMs = 1000
const lostMs = 5000
const maxPauseMs = 5000

/**
 * Connects to Redis in the background when it is started or first asked for, and goes on trying until it
 * is closed. No call waits for a connection, and none is repeated: while Redis is away or silent, all
 * fail at once.
 */
export function openRedis({
  place,
  tls,
  timeoutMs = 100,
  pauseMs = 1000,
  changed = () => undefined,
  observe = unobservedRedis,
}: RedisOptions) {
  const redis = new Redis({ ...driverOptions(place, tls, pauseMs), ...limitsOf(timeoutMs) })
  const observer = observe(place)
  const state = pulse({
    pauseMs,
    changed,
    ping: () => within(redis.ping(), timeoutMs).then(() => undefined),
  })
  watchConnection(redis, state)
  const start = once(() => redis.connect())

  async function answered<T>(work: Promise<T>, limitMs: number, signal?: AbortSignal): Promise<T> {
    try {
      return await within(work, limitMs, signal)
    } catch (err) {
      if (err instanceof RedisError) state.silent(err.message)
      if (signal?.aborted === true || err instanceof RedisError) throw err
      throw new RedisError(
        err instanceof ReplyError ? 'REDIS_REFUSED' : 'REDIS_AWAY',
        reasonOf(err),
      )
    }
  }

  return {
    /** Names it without its account. */
    description: redisName(place),
    /** For one answer. */
    timeoutMs,
    start,
    /** Whether calls are sent at all. */
    isUsable: (): boolean => {
      start()
      return state.isUsable()
    },
    /**
     * Sends what `run` sends, and waits for the answer: for `timeoutMs`, or less if `limitMs` is less.
     * Fails with RedisError, or with the signal's reason. What was sent may still take effect then.
     */
    async call<T>(
      call: RedisCall,
      run: (redis: Redis) => Promise<T>,
      signal?: AbortSignal,
      limitMs = timeoutMs,
    ): Promise<T> {
      start()
      if (!state.isUsable()) throw new RedisError('REDIS_AWAY', state.problem())
      if (limitMs <= 0) throw new RedisError('REDIS_AWAY', 'no time is left for it')
      signal?.throwIfAborted()
      return observer.call(call, () => answered(run(redis), Math.min(limitMs, timeoutMs), signal))
    },
    /** Ends the connection; what waits for an answer fails. */
    close: (): void => {
      state.stop()
      redis.disconnect()
    },
  }
}

/** Begins the work once. What it fails with is told in another way. */
function once(work: () => Promise<unknown>): () => void {
  let begun: Promise<unknown> | undefined
  return () => void (begun ??= work().catch(() => undefined))
}

function watchConnection(redis: Redis, state: ReturnType<typeof pulse>): void {
  let isRefused = false
  redis.on('connect', () => {
    isRefused = false
  })
  redis.on('error', (err: Error) => {
    isRefused = true
    state.lost(reasonOf(err))
  })
  redis.on('ready', () => {
    // The driver would go on without the database that it could not select.
    if (isRefused) redis.disconnect(true)
    else state.connected()
  })
  redis.on('close', () => state.lost(closed))
}

type Fixed = DriverOptions & { replyMapping: 'legacy' }

const fixed: Fixed = {
  replyMapping: 'legacy',
  // The answers of RESP 3 differ in nothing that is used here, and fewer servers have it.
  protocol: 2,
  disableClientInfo: true,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  // A server that is loading its file says so in its answers.
  enableReadyCheck: false,
  connectTimeout: connectMs,
  lazyConnect: true,
}

/** Limits above those of calls, for what the driver sends by itself. */
function limitsOf(timeoutMs: number) {
  return {
    commandTimeout: timeoutMs + connectMs,
    // Otherwise a connection whose other end has vanished would be kept for a quarter of an hour.
    socketTimeout: timeoutMs + lostMs,
  }
}

function driverOptions(
  { host, port, db, username, password, tls: isEncrypted }: RedisPlace,
  files: RedisOptions['tls'],
  pauseMs: number,
): Fixed {
  return {
    ...fixed,
    host,
    port,
    db,
    ...(username !== '' && { username }),
    ...(password !== '' && { password }),
    ...(isEncrypted && { tls: { ...nameOf(host), ...(files && certificates(files)) } }),
    // Between half of the pause and all of it, so that a fleet does not return in one moment.
    retryStrategy: (times) =>
      Math.min(maxPauseMs, pauseMs * 2 ** (times - 1)) * (0.5 + Math.random() / 2),
  }
}

/** The name that the certificate must have; that of an address is found without it. */
function nameOf(host: string) {
  return isIP(host) === 0 ? { servername: host } : {}
}

function certificates({ caFile, certFile, keyFile }: NonNullable<RedisOptions['tls']>) {
  return {
    ...(caFile !== '' && { ca: readFileSync(caFile) }),
    ...(certFile !== '' && { cert: readFileSync(certFile), key: readFileSync(keyFile) }),
  }
}

/** Fails with RedisError after `limitMs`, and with the signal's reason. */
async function within<T>(work: Promise<T>, limitMs: number, signal = never): Promise<T> {
  const wait = abortable<T>(signal)
  const giveUp = () =>
    wait.giveUp(new RedisError('REDIS_SILENT', `no answer for ${Math.ceil(limitMs)} ms`))
  // An answer may have come while this process was busy: it is read before the end of the turn.
  const timer = setTimeout(() => setImmediate(giveUp), limitMs)
  work.then(wait.resolve, wait.reject)
  try {
    return await wait.promise
  } finally {
    clearTimeout(timer)
  }
}

const never = new AbortController().signal

/** The words of an error, without what else the driver has put into it. */
function reasonOf(err: unknown): string {
  if (!(err instanceof Error)) return 'unknown'
  return err.message === '' ? err.name : err.message
}
