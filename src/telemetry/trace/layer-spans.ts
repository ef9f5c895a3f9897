import { type Attributes, type Context, SpanKind, SpanStatusCode } from '@opentelemetry/api'
import { type Span, trace as api, type Tracer } from '@opentelemetry/api'
import { errorType } from '../error-type.ts'
import { exceptionAttributes, isClientError } from './exception.ts'
import { error, exception } from './attributes.ts'
import { type RequestTrace, type Scope, scopeOf, type Scopes } from './scope.ts'
import type { Describe } from './tracing.ts'

/** What is needed to make a span. */
export interface SpanTools {
  scopes: Scopes
  tracer: Tracer
  personalData: boolean
  /** Whether a domain error below 500 is an error of the spans that it leaves. */
  clientErrors: boolean
}

/** `at`, a time of `performance.now()`, as the time for a span of this request, in ms of the epoch. */
export function timeIn(trace: RequestTrace | undefined, at = performance.now()): number {
  return (trace?.epochMs ?? performance.timeOrigin) + at
}

/** OpenTelemetry's context with the span of `scope` as the parent of what is begun in it. */
export function contextOf(scope: Scope, root: Context): Context {
  const base = scope.trace?.base ?? root
  return (scope.context ??= scope.span ? api.setSpan(base, scope.span) : base)
}

/**
 * Sets the error status of a span, and records the exception unless a span below has. A domain error
 * below 500 is an outcome: unless `clientErrors` is set, the span has its reason and no error status.
 */
export function fail(
  span: Span,
  scope: Scope,
  err: unknown,
  { clientErrors, personalData }: Pick<SpanTools, 'clientErrors' | 'personalData'>,
): void {
  const type = errorType(err)
  if (!clientErrors && isClientError(err)) {
    span.setAttribute(error.reason, type)
    return
  }
  span.setStatus({ code: SpanStatusCode.ERROR, message: type })
  span.setAttribute(error.type, type)
  if (scope.failedBelow) return
  span.addEvent(exception.event, exceptionAttributes(err, personalData), timeIn(scope.trace))
}

type Method = (...args: unknown[]) => unknown
type Described = { call?: Method; result?: Method } | undefined

/** See `Tracing.traced`. */
export function layerSpans(tools: SpanTools, root: Context) {
  const { scopes } = tools

  function spanned(name: string, method: Method, describe: Described): Method {
    return function call(...args) {
      const outer = scopes.getStore()
      if (outer?.span === undefined) return method(...args)
      const facts = describe?.call?.(...args) as Attributes | undefined
      const { inner, succeeded, failed } = begin(outer, { name, attributes: facts }, tools, root)
      const done = (value: unknown) =>
        succeeded(describe?.result?.(value) as Attributes | undefined)
      try {
        const result = scopes.run(inner, method, ...args)
        if (result instanceof Promise) return settled(result, done, failed)
        if (isStream(result)) return within(scopes, inner, told(result, done, failed))
        done(result)
        return result
      } catch (err) {
        failed(err)
        throw err
      }
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

/** Begins a span below `outer`; gives the scope inside of it, and its two ends. */
function begin(
  outer: Scope,
  { name, attributes }: { name: string; attributes: Attributes | undefined },
  tools: SpanTools,
  root: Context,
) {
  const { trace } = outer
  const options = {
    kind: SpanKind.INTERNAL,
    startTime: timeIn(trace),
    ...(attributes && { attributes }),
  }
  const span = tools.tracer.startSpan(name, options, contextOf(outer, root))
  const inner = scopeOf(trace, span)

  function end(): void {
    if (inner.statements) giveUp(inner.statements, trace)
    span.end(timeIn(trace))
  }
  return {
    inner,
    succeeded: (facts: Attributes | undefined) => {
      if (facts) span.setAttributes(facts)
      end()
    },
    failed: (err: unknown) => {
      fail(span, inner, err, tools)
      markFailed(outer)
      end()
    },
  }
}

/** Notes that an exception is recorded, so that spans above do not record it again. */
export function markFailed(scope: Scope): void {
  scope.failedBelow = true
  if (scope.trace) scope.trace.failedBelow = true
}

/** Ends statements that outlive their call: its connection was given up, and no answer will be read. */
function giveUp(statements: Set<Span>, trace: RequestTrace | undefined): void {
  for (const span of statements) {
    span.setStatus({ code: SpanStatusCode.ERROR, message: 'given up' })
    span.setAttribute(error.type, 'CANCELED')
    span.end(timeIn(trace))
  }
  statements.clear()
}

function settled<T>(promise: Promise<T>, tell: (value: T) => void, failed: (err: unknown) => void) {
  return promise.then(
    (value) => {
      tell(value)
      return value
    },
    (err: unknown) => {
      failed(err)
      throw err
    },
  )
}

function isStream(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value
}

/** The same messages; the span ends with the last one, with an error, or when the reader stops. */
async function* told<T>(
  messages: AsyncIterable<T>,
  done: (value: unknown) => void,
  failed: (err: unknown) => void,
) {
  let failure: { err: unknown } | undefined
  try {
    yield* messages
  } catch (err) {
    failure = { err }
    throw err
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
