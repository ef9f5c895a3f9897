import { type Attributes, SpanKind, SpanStatusCode } from '@opentelemetry/api'
import type { ConnectError } from '@connectrpc/connect'
import { isOfServer, statusOf } from '../../call/status.ts'
import type { CallTracing, Try } from '../../client/observer.ts'
import { calledStatus, calledSystem, kratosKind, reasonOf, rpcMethod } from '../rpc-status.ts'
import { attempt, error as errorKeys, kratos, network, rpc } from './attributes.ts'
import type { SpanTools } from './layer-spans.ts'
import { injectTrace } from './propagation/propagation.ts'
import { scopeOf } from './scope.ts'
import { addFacts, beginSpan, type RecordedSpan, timeIn } from './span/recorded-span.ts'
import { type SpanHead, spanHead, type SpanPart, spanPart } from './span/span-part.ts'

/** Heads that are kept: nodes come and go, and each has one for every method that is called of it. */
const maxHeads = 1000

/** See `Tracing.calls`. A try outside of an exchange has no span, and its headers no trace. */
export function clientSpans(tools: SpanTools): CallTracing {
  const { scopes, endSpan } = tools
  const headOf = heads()
  const outcomeOf = parts(success)
  const attemptOf = parts((number: number) => ({ [attempt.number]: number }))

  return {
    begin(one, headers) {
      const scope = scopes.getStore()
      if (scope?.trace === undefined) return undefined
      const { trace, span: parent } = scope
      if (parent === undefined) {
        injectTrace(scope, trace, undefined, headers)
        return undefined
      }
      const span = beginSpan(parent.trace, headOf(one), timeIn(parent.trace), parent.id)
      span.connection = attemptOf(one.attempt)
      injectTrace(scope, trace, span.id.hex, headers)
      return span
    },
    within(span, work) {
      const inner = scopeOf(scopes.getStore()?.trace, span as RecordedSpan)
      return scopes.run(inner, work)
    },
    end(opaque, one, error, fallback) {
      const span = opaque as RecordedSpan
      if (error) failCall(span, one.protocol, error, tools)
      else span.outcome = outcomeOf(one.protocol)
      if (fallback === true) addFacts(span, { [attempt.fallback]: true })
      endSpan(span, timeIn(span.trace))
    },
  }
}

/** Gives the head of the spans of a method at a node, and remembers it. */
function heads(): (one: Try) => SpanHead {
  const known = new Map<string, Map<string, SpanHead>>()
  let count = 0
  return function headOf(one) {
    const old = known.get(one.operation)?.get(one.address.name)
    if (old) return old
    if (count >= maxHeads) {
      known.clear()
      count = 0
    }
    count += 1
    const head = spanHead(one.operation.slice(1), SpanKind.CLIENT, headAttributes(one))
    const ofMethod = known.get(one.operation) ?? new Map<string, SpanHead>()
    known.set(one.operation, ofMethod.set(one.address.name, head))
    return head
  }
}

function headAttributes({ operation, protocol, address }: Try): Attributes {
  const system = calledSystem(protocol)
  const [, service = ''] = operation.split('/')
  return {
    ...(system !== undefined && { [rpc.system]: system }),
    [rpc.method]: rpcMethod(operation),
    [kratos.system]: kratosKind(protocol),
    [kratos.service]: service,
    ...(protocol !== 'local' && {
      [network.serverAddress]: address.host,
      [network.serverPort]: address.port,
    }),
  }
}

/** Gives a constant part for each value, and remembers it. */
function parts<V>(attributes: (value: V) => Attributes): (value: V) => SpanPart {
  const known = new Map<V, SpanPart>()
  return function partOf(value) {
    const old = known.get(value)
    if (old) return old
    const part = spanPart(attributes(value))
    known.set(value, part)
    return part
  }
}

function success(protocol: Try['protocol']): Attributes {
  const status = calledStatus(protocol)
  return { [kratos.status]: 200, ...(status !== undefined && { [rpc.status]: status }) }
}

/**
 * Notes the error of a call, by the rule of layers: one below 500 is an outcome unless
 * `tracing.client_errors` is set.
 */
export function failCall(
  span: RecordedSpan,
  protocol: Try['protocol'],
  err: ConnectError,
  { sdkSpan, clientErrors }: SpanTools,
): void {
  const status = calledStatus(protocol, err.code)
  const reason = reasonOf(err)
  addFacts(span, {
    [kratos.status]: statusOf(err),
    ...(status !== undefined && { [rpc.status]: status }),
    [errorKeys.reason]: reason,
  })
  if (!clientErrors && !isOfServer(err)) return
  addFacts(span, { [errorKeys.type]: reason })
  sdkSpan(span).setStatus({ code: SpanStatusCode.ERROR, message: reason })
}
