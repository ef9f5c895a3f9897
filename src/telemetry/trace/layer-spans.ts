import { type Attributes, SpanKind, SpanStatusCode } from '@opentelemetry/api'
import { errorType } from '../error-type.ts'
import { exceptionAttributes, isClientError } from './exception.ts'
import { error, exception } from './attributes.ts'
import {
  addFacts,
  beginSpan,
  type RecordedSpan,
  type Recorder,
  timeIn,
} from './span/recorded-span.ts'
import { type Scope, scopeOf, type Scopes } from './scope.ts'
import { type SpanHead, spanHead } from './span/span-part.ts'
import type { Describe } from './tracing.ts'

/** The functions that make a span. */
export interface SpanTools extends Recorder {
  scopes: Scopes
  personalData: boolean
  /** Whether a domain error below 500 is an error of the spans that it leaves. */
  clientErrors: boolean
}

/**
 * Sets the error status of a span, and records the exception unless a span below has. A domain error
 * below 500 is an outcome: unless `clientErrors` is set, the span has its reason and no error status.
 */
export function fail(
  span: RecordedSpan,
  scope: Scope,
  err: unknown,
  { sdkSpan, clientErrors, personalData }: SpanTools,
): void {
  const type = errorType(err)
  if (!clientErrors && isClientError(err)) {
    addFacts(span, { [error.reason]: type })
    return
  }
  addFacts(span, { [error.type]: type })
  const full = sdkSpan(span).setStatus({ code: SpanStatusCode.ERROR, message: type })
  if (scope.failedBelow) return
  full.addEvent(exception.event, exceptionAttributes(err, personalData), timeIn(span.trace))
}

type Method = (...args: unknown[]) => unknown
type Described = { call?: Method; result?: Method } | undefined

/** A method that has spans, and what these have in common. */
interface Layer {
  head: SpanHead
  method: Method
  describe: Described
}

/** See `Tracing.traced`. */
export function layerSpans(tools: SpanTools) {
  const { scopes } = tools

  function spanned(name: string, method: Method, describe: Described): Method {
    const layer = { head: spanHead(name, SpanKind.INTERNAL), method, describe }
    return function call(...args) {
      const outer = scopes.getStore()
      if (outer?.span === undefined) return method(...args)
      return recorded(tools, layer, { outer, parent: outer.span }, args)
    }
  }

  return function traced<T extends object>(
    layer: string,
    object: T,
    describe: Describe<T> = {},
  ): T {
    const members = Object.entries(object).map(([name, member]) => {
      if (typeof member !== 'function') return [name, member]
      const title = `${layer}.${name.charAt(0).toUpperCase()}${name.slice(1)}`
      return [name, spanned(title, member as Method, describe[name as keyof T])]
    })
    return Object.fromEntries(members) as T
  }
}

/** Calls a method in a span below that of `outer`, which ends when what the method gives has ended. */
function recorded(
  tools: SpanTools,
  { head, method, describe }: Layer,
  { outer, parent }: { outer: Scope; parent: RecordedSpan },
  args: unknown[],
) {
  const { trace } = parent
  const facts = describe?.call?.(...args) as Attributes | undefined
  const span = beginSpan(trace, head, timeIn(trace), parent.id)
  span.facts = facts
  const inner = scopeOf(outer.trace, span)

  function succeeded<V>(value: V): V {
    const result = describe?.result?.(value) as Attributes | undefined
    if (result) addFacts(span, result)
    end(span, tools)
    return value
  }
  function failed(err: unknown): never {
    fail(span, inner, err, tools)
    markFailed(outer)
    end(span, tools)
    throw err
  }

  let result: unknown
  try {
    result = tools.scopes.run(inner, method, ...args)
  } catch (err) {
    return failed(err)
  }
  if (result instanceof Promise) return result.then(succeeded, failed)
  return isStream(result)
    ? within(tools.scopes, inner, told(result, succeeded, failed))
    : succeeded(result)
}

function end(span: RecordedSpan, tools: SpanTools): void {
  giveUp(span, tools)
  tools.endSpan(span, timeIn(span.trace))
}

/** Notes that an exception is recorded, so that spans above do not record it again. */
export function markFailed(scope: Scope): void {
  scope.failedBelow = true
  if (scope.trace) scope.trace.failedBelow = true
}

/** Ends statements that outlive their call: its connection was given up, and no answer will be read. */
export function giveUp({ statements }: RecordedSpan, { sdkSpan, endSpan }: SpanTools): void {
  if (!statements) return
  for (const span of statements) {
    sdkSpan(span).setStatus({ code: SpanStatusCode.ERROR, message: 'given up' })
    addFacts(span, { [error.type]: 'CANCELED' })
    endSpan(span, timeIn(span.trace))
  }
  statements.length = 0
}

function isStream(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value
}

/** The same messages; the span ends with the last one, with an error, or when the reader stops. */
async function* told<T>(
  messages: AsyncIterable<T>,
  done: (value: undefined) => void,
  failed: (err: unknown) => never,
) {
  let failure: { err: unknown } | undefined
  try {
    yield* messages
  } catch (err) {
    failure = { err }
  } finally {
    if (failure) failed(failure.err)
    else done(undefined)
  }
}

/** The same messages; the generator behind them runs in `scope`, whatever scope reads from it. */
export function within<T>(scopes: Scopes, scope: Scope, messages: AsyncIterable<T>) {
  const iterator = scopes.run(scope, () => messages[Symbol.asyncIterator]())
  const iterable: AsyncIterableIterator<T> = {
    next: () => scopes.run(scope, () => iterator.next()),
    return: async (value?: unknown) =>
      (await scopes.run(scope, () => iterator.return?.(value))) ?? { done: true, value },
    throw: async (err?: unknown) => {
      if (iterator.throw) return scopes.run(scope, () => iterator.throw?.(err) as never)
      throw err
    },
    [Symbol.asyncIterator]: () => iterable,
  }
  return iterable
}
