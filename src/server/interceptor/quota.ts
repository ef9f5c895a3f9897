import { Code, type ConnectError, type Interceptor } from '@connectrpc/connect'
import { callKey } from '../../call/invoke.ts'
import { operationOf } from '../../call/methods.ts'
import { refusal } from '../../call/refusal.ts'
import { RetryInfoSchema } from '../../gen/google/rpc/error_details_pb.ts'
import type { Caller, CallerOf } from '../limit/caller.ts'
import { limitFields, retrySeconds } from '../limit/fields.ts'
import type { Rate, Verdict } from '../limit/gcra.ts'

/** How calls are counted. */
export interface Quota {
  callerOf: CallerOf
  /** The rate of an operation; undefined: it has no limit. */
  rateOf: (operation: string) => Rate | undefined
  /** Counts a call. `bucket` is that of its operation and caller. */
  take: (bucket: string, rate: Rate, signal: AbortSignal) => Verdict | Promise<Verdict>
  /** Told of each call that was counted. */
  judged: (caller: Caller['class'], allowed: boolean) => void
}

/**
 * Counts calls for their callers, and refuses those above the quota with RATELIMIT. A stream is one
 * call, however many messages it carries. The answer says what is left, also where it is an error.
 */
export function quota({ callerOf, rateOf, take, judged }: Quota): Interceptor {
  return (next) =>
    async function quota(req) {
      const operation = operationOf(req.method)
      const rate = rateOf(operation)
      if (rate === undefined) return next(req)
      const caller = callerOf(req)
      const bucket = `${operation}:${caller.class}:${caller.id}`
      const taken = take(bucket, rate, req.signal)
      // Nobody waits for what is known at once.
      const verdict = taken instanceof Promise ? await taken : taken
      judged(caller.class, verdict.allowed)
      const fields = limitFields(rate, verdict)
      if (!verdict.allowed) throw exhausted(operation, verdict, fields)
      const answer = req.contextValues.get(callKey)?.responseHeader
      if (answer) setAll(answer, fields)
      const res = await next(req)
      if (!answer) setAll(res.header, fields)
      return res
    }
}

function setAll(headers: Headers, fields: Record<string, string>): void {
  for (const [name, value] of Object.entries(fields)) headers.set(name, value)
}

function exhausted(
  operation: string,
  verdict: Verdict,
  fields: Record<string, string>,
): ConnectError {
  const seconds = retrySeconds(verdict)
  const error = refusal(
    Code.ResourceExhausted,
    'RATELIMIT',
    `the caller may make no more calls of ${operation} just now; try again in ${seconds} s`,
    { headers: { ...fields, 'retry-after': `${seconds}` } },
  )
  error.details.push({
    desc: RetryInfoSchema,
    value: { retryDelay: { seconds: BigInt(seconds) } },
  })
  return error
}
