import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import type { ObserveRedis, RedisCall } from '../../../data/redis/observer.ts'
import { errorType } from '../../error-type.ts'
import { cache, db, error, network } from '../attributes.ts'
import type { SpanTools } from '../layer-spans.ts'
import { addFacts, beginSpan, takeOut, timeIn } from '../span/recorded-span.ts'
import { type SpanHead, spanHead } from '../span/span-part.ts'

/** See `Tracing.redis`. Neither keys nor values are shown. */
export function redisSpans({ scopes, endSpan, sdkSpan }: SpanTools): ObserveRedis {
  return function observe({ host, port, db: number }) {
    const place = {
      [db.system]: 'redis',
      [db.namespace]: String(number),
      [network.serverAddress]: host,
      [network.serverPort]: port,
    }
    const headOf = heads(({ name, operation }) =>
      spanHead(`Redis.${name}`, SpanKind.CLIENT, {
        ...place,
        [cache.system]: 'redis',
        [cache.operation]: operation,
      }),
    )
    return {
      async call(call, run) {
        const parent = scopes.getStore()?.span
        if (parent === undefined) return run()
        const { trace } = parent
        const span = beginSpan(trace, headOf(call), timeIn(trace), parent.id)
        // Ended with the call that it belongs to, if that does not wait for the answer.
        const open = (parent.statements ??= [])
        open.push(span)
        try {
          return await run()
        } catch (err) {
          if (open.includes(span)) {
            const type = errorType(err)
            addFacts(span, { [error.type]: type })
            sdkSpan(span).setStatus({ code: SpanStatusCode.ERROR, message: type })
          }
          throw err
        } finally {
          if (takeOut(open, span)) endSpan(span, timeIn(trace))
        }
      },
    }
  }
}

/** Gives the head of the spans of a call, and remembers it. */
function heads(make: (call: RedisCall) => SpanHead): (call: RedisCall) => SpanHead {
  const known = new Map<string, SpanHead>()
  return function headOf(call) {
    const head = known.get(call.name) ?? make(call)
    known.set(call.name, head)
    return head
  }
}
