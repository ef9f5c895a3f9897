import { create, type DescMethodUnary } from '@bufbuild/protobuf'
import { ConnectError, type Transport, type UnaryResponse } from '@connectrpc/connect'
import { attempts, hedged } from './attempts.ts'
import { type CallDefaults, newCall } from './call.ts'
import { fallbackOf } from './fallback.ts'
import type { Parts } from './parts.ts'
import { type RecentTimes, recentTimes } from './limit/recent-times.ts'
import { openStream, type StreamingCall } from './stream.ts'
import type { UnaryCall } from './try.ts'

/** What Connect's clients call: deadline and metadata, hedging and retries, breaker, balancer, node. */
export function callTransport(parts: Parts, defaults: CallDefaults): Transport {
  const timesOf = timesByMethod(parts)
  const isHedged = parts.settings.hedge.after !== 0

  function run(call: UnaryCall): Promise<UnaryResponse> {
    return isHedged
      ? hedged(call, timesOf(call.operation), parts)
      : attempts(call, call.signal, parts)
  }

  const transport = {
    async unary(...[method, signal, timeoutMs, header, message, values]: UnaryArguments) {
      const answer = fallbackOf(values)
      const call = newCall(method, { signal, timeoutMs, header }, defaults)
      const unary: UnaryCall = Object.assign(call, {
        method,
        message,
        values,
        hasFallback: answer !== undefined,
      })
      if (answer === undefined) return run(unary)
      return run(unary).catch((err: unknown) =>
        responseOf(method, create(method.output, answer(ConnectError.from(err)))),
      )
    },
    async stream(...[method, signal, timeoutMs, header, input, values]: StreamArguments) {
      const call = newCall(method, { signal, timeoutMs, header }, defaults)
      const streaming: StreamingCall = Object.assign(call, { method, input, values })
      return openStream(streaming, parts)
    },
  }
  // Connect's type makes the answer depend on the method, which no code here looks at.
  return transport as Transport
}

type UnaryArguments = Parameters<Transport['unary']>
type StreamArguments = Parameters<Transport['stream']>

function responseOf(method: DescMethodUnary, message: UnaryResponse['message']): UnaryResponse {
  const service = method.parent
  return { stream: false, method, service, message, header: new Headers(), trailer: new Headers() }
}

function timesByMethod({ now }: Parts): (operation: string) => RecentTimes {
  const known = new Map<string, RecentTimes>()
  return function timesOf(operation) {
    const old = known.get(operation)
    if (old) return old
    const made = recentTimes(now)
    known.set(operation, made)
    return made
  }
}
