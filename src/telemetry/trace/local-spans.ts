import type { DescMethod } from '@bufbuild/protobuf'
import type { Interceptor } from '@connectrpc/connect'
import { ConnectError } from '@connectrpc/connect'
import { SpanKind } from '@opentelemetry/api'
import { operationOf } from '../../call/methods.ts'
import { rpcMethod } from '../rpc-status.ts'
import { kratos, rpc } from './attributes.ts'
import { failCall } from './client-spans.ts'
import { giveUp, type SpanTools } from './layer-spans.ts'
import { scopeOf } from './scope.ts'
import { addFacts, beginSpan, timeIn } from './span/recorded-span.ts'
import { type SpanHead, spanHead } from './span/span-part.ts'

/** See `Tracing.local`. */
export function localSpans(tools: SpanTools): Interceptor {
  const { scopes, endSpan } = tools
  const heads = new Map<DescMethod, SpanHead>()

  function headOf(method: DescMethod): SpanHead {
    const known = heads.get(method) ?? newHead(method)
    heads.set(method, known)
    return known
  }

  return (next) =>
    async function local(req) {
      const outer = scopes.getStore()
      if (outer?.span === undefined || req.stream) return next(req)
      const { trace, id } = outer.span
      const span = beginSpan(trace, headOf(req.method), timeIn(trace), id)
      try {
        const answer = await scopes.run(scopeOf(outer.trace, span), next, req)
        addFacts(span, { [kratos.status]: 200 })
        return answer
      } catch (err) {
        failCall(span, 'local', ConnectError.from(err), tools)
        throw err
      } finally {
        giveUp(span, tools)
        endSpan(span, timeIn(trace))
      }
    }
}

function newHead(method: DescMethod): SpanHead {
  const name = rpcMethod(operationOf(method))
  return spanHead(name, SpanKind.SERVER, {
    [rpc.method]: name,
    [kratos.system]: 'local',
    [kratos.service]: method.parent.typeName,
  })
}
