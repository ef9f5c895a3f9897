import type { Message } from '@bufbuild/protobuf'
import { Code, type Interceptor, type StreamRequest } from '@connectrpc/connect'
import { refusal } from '../../call/refusal.ts'
import { stoppable } from '../../call/stoppable.ts'
import { exchangeKey } from '../exchange/exchange.ts'
import type { Direction, StreamTally } from '../exchange/stream-tally.ts'

/** When streams end because the process does. */
export interface Drain {
  /** Aborts when the process begins to end. */
  closing: AbortSignal
  /** For how many milliseconds a stream goes on then. They differ, or all clients would connect again at once. */
  delayMs: () => number
}

/**
 * Counts the messages of streams, and ends streams with SHUTTING_DOWN when the process is about to
 * end: their clients then know that they have not got all, and that they can go on elsewhere.
 */
export function streams(drain: Drain): Interceptor {
  return (next) =>
    function streams(req) {
      return req.stream ? served(req, next, drain) : next(req)
    }
}

async function served(req: StreamRequest, next: Parameters<Interceptor>[0], drain: Drain) {
  const tally = req.contextValues.get(exchangeKey)?.stream
  const { ending, signal } = endOf(drain, req.signal)
  const message = counted(stoppable(req.message, ending), tally, 'received')
  const res = await orEnd(next({ ...req, signal, message }), ending)
  // The deadline's interceptor stops the answer at the signal.
  return res.stream ? { ...res, message: counted(res.message, tally, 'sent') } : res
}

async function* counted(
  messages: AsyncIterable<Message>,
  tally: StreamTally | undefined,
  direction: Direction,
) {
  for await (const message of messages) {
    tally?.message(direction)
    yield message
  }
}

/**
 * `ending` aborts with SHUTTING_DOWN some time after the process begins to end, unless the call is over
 * before; `signal` then, too, and with the call. AbortSignal.any takes 500 bytes more, which a stream
 * that waits would keep.
 */
function endOf({ closing, delayMs }: Drain, call: AbortSignal) {
  const ending = new AbortController()
  const either = new AbortController()
  let timer: NodeJS.Timeout | undefined
  function end(): void {
    ending.abort(shuttingDown())
    either.abort(ending.signal.reason)
  }
  function begin(): void {
    timer = setTimeout(end, delayMs())
  }
  function release(): void {
    clearTimeout(timer)
    closing.removeEventListener('abort', begin)
    either.abort(call.reason)
  }
  if (closing.aborted) begin()
  else closing.addEventListener('abort', begin, { once: true })
  if (call.aborted) release()
  else call.addEventListener('abort', release, { once: true })
  return { ending: ending.signal, signal: either.signal }
}

function shuttingDown() {
  return refusal(Code.Unavailable, 'SHUTTING_DOWN', 'the server is shutting down')
}

/** The answer, unless the signal aborts before it is there. */
function orEnd<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const end = () => reject(signal.reason as Error)
  signal.addEventListener('abort', end, { once: true })
  return Promise.race([answer, promise]).finally(() => signal.removeEventListener('abort', end))
}
