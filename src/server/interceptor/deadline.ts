import type { Message } from '@bufbuild/protobuf'
import { Code, ConnectError } from '@connectrpc/connect'
import type { Interceptor } from '@connectrpc/connect'
import { operationOf } from '../../call/methods.ts'
import { refusal } from '../../call/refusal.ts'
import { stoppable } from '../../call/stoppable.ts'
import { clientDeadlineExceeded, deadlineExceeded } from '../../call/timeout.ts'
import { failureOf } from '../exchange/failure.ts'

/** Maximum durations of unary calls, in milliseconds; read for each call. */
export interface Deadlines {
  defaultMs: number
  /** The durations of operations that differ from the default, by `/package.Service/Method`. */
  byOperation: ReadonlyMap<string, number>
}

/**
 * Ends unary calls that take longer than the server or the client allows; the client's deadline
 * aborts the signal of the request. The call is answered at once with DEADLINE_EXCEEDED, and the
 * signal of the handler aborts, so that the layers below stop working for it. Streams have only
 * their client's deadline, at which they end with DEADLINE_EXCEEDED, whatever their handler does.
 */
export function deadline(limits: Deadlines): Interceptor {
  return (next) =>
    function deadline(req) {
      if (req.signal.aborted) return Promise.reject(reasonOf(req.signal.reason))
      if (req.stream) return next(req).then((res) => untilDeadline(res, req.signal))
      const limitMs = limits.byOperation.get(operationOf(req.method)) ?? limits.defaultMs
      return within(limitMs, req, next)
    }
}

type Next = Parameters<Interceptor>[0]
type AnyRequest = Parameters<Next>[0]
type AnyResponse = Awaited<ReturnType<Next>>

function within(limitMs: number, req: AnyRequest, next: Next): Promise<AnyResponse> {
  const { promise, resolve, reject } = Promise.withResolvers<AnyResponse>()
  const controller = new AbortController()
  function over(): void {
    clearTimeout(timer)
    req.signal.removeEventListener('abort', abort)
  }
  function fail(err: unknown): void {
    over()
    reject(err)
  }
  function end(reason: ConnectError): void {
    controller.abort(reason)
    fail(reason)
  }
  const timer = setTimeout(() => end(deadlineExceeded(`${limitMs} ms`)), limitMs)
  const abort = () => end(reasonOf(req.signal.reason))
  req.signal.addEventListener('abort', abort, { once: true })
  try {
    next({ ...req, signal: controller.signal }).then((res) => {
      over()
      resolve(res)
    }, fail)
  } catch (err) {
    // Of an interceptor that is not async.
    fail(err)
  }
  return promise
}

/** A handler may end at its signal as at the end of its work, and the client would take that for all. */
function untilDeadline(response: AnyResponse, signal: AbortSignal): AnyResponse {
  if (!response.stream) return response
  return { ...response, message: until(signal, response.message) }
}

async function* until(signal: AbortSignal, messages: AsyncIterable<Message>) {
  try {
    for await (const message of stoppable(messages, signal)) yield message
  } catch (err) {
    throw signal.aborted && err === signal.reason ? reasonOf(err) : err
  }
  const error = signal.aborted ? reasonOf(signal.reason) : undefined
  if (error?.code === Code.DeadlineExceeded) throw error
}

/**
 * The error of a request whose signal aborts: the client's deadline, the end of the process, or the client
 * disconnected.
 */
function reasonOf(reason: unknown): ConnectError {
  const error = ConnectError.from(reason, Code.Canceled)
  if (error.code === Code.DeadlineExceeded) return clientDeadlineExceeded()
  if (failureOf(error).reason === 'SHUTTING_DOWN') return error
  return refusal(Code.Canceled, 'CANCELED', 'the client has gone')
}
