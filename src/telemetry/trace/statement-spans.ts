import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import type { ObserveStatements, Shared, Storage } from '../../data/statement-observer.ts'
import { databaseCode, errorType } from '../error-type.ts'
import { statementAttributes, statementSummary } from '../statement.ts'
import { exceptionAttributes } from './exception.ts'
import { fail, markFailed, type SpanTools } from './layer-spans.ts'
import { db, error, exception } from './attributes.ts'
import { addFacts, beginSpan, type RecordedSpan, takeOut, timeIn } from './span/recorded-span.ts'
import type { Scope } from './scope.ts'
import { type SpanHead, spanHead } from './span/span-part.ts'

/** A connection that is free is handed over in less; only longer waits have a span. */
const minWaitMs = 1
/** Texts of statements that are kept parsed; a service has some dozens. */
const maxTexts = 1000
/** Of a statement's text in a span. */
const maxCharacters = 2000

/** See `Tracing.statements`. Texts have placeholders where the values go, so they may be shown. */
export function statementSpans(tools: SpanTools): ObserveStatements {
  const { scopes, endSpan } = tools

  return function observe(storage) {
    const headOf = heads(storage)
    return {
      recorded() {
        const scope = scopes.getStore()
        return scope?.span && scope
      },
      statement(sql, run, shared) {
        const scope = scopes.getStore()
        if (scope?.span === undefined) return run()
        const { trace } = scope.span
        const span = beginSpan(trace, headOf(sql), timeIn(trace), scope.span.id)
        if (shared) tellShared(span, scope, shared)
        const open = (scope.span.statements ??= [])
        open.push(span)
        return run().then(
          (value) => {
            if (takeOut(open, span)) endSpan(span, timeIn(trace))
            return value
          },
          (err: unknown) => {
            if (takeOut(open, span)) failStatement(span, scope, err, tools)
            throw err
          },
        )
      },
      waited(since, err) {
        const scope = scopes.getStore()
        if (scope?.span === undefined) return
        if (err === undefined && performance.now() - since < minWaitMs) return
        const { trace } = scope.span
        const attributes = { [db.system]: storage.system, [db.pool]: storage.namespace }
        const head = spanHead('connection wait', SpanKind.INTERNAL, attributes)
        const span = beginSpan(trace, head, timeIn(trace, since), scope.span.id)
        if (err !== undefined) {
          fail(span, scope, err, tools)
          markFailed(scope)
        }
        endSpan(span, timeIn(trace))
      },
    }
  }
}

/** Says for how many calls a statement is, and links to those of them that are recorded. */
function tellShared(span: RecordedSpan, own: Scope, { size, calls }: Shared): void {
  addFacts(span, { [db.batchSize]: size })
  const others = (calls as readonly Scope[]).filter((call) => call !== own)
  span.links = others.flatMap((call) => call.span ?? [])
}

function failStatement(
  span: RecordedSpan,
  scope: Scope,
  err: unknown,
  { endSpan, sdkSpan, personalData }: SpanTools,
): void {
  const { trace } = span
  const code = databaseCode(err)
  const type = errorType(err)
  addFacts(span, { [error.type]: type, ...(code !== undefined && { [db.status]: code }) })
  sdkSpan(span)
    .setStatus({ code: SpanStatusCode.ERROR, message: type })
    .addEvent(exception.event, exceptionAttributes(err, personalData), timeIn(trace))
  markFailed(scope)
  endSpan(span, timeIn(trace))
}

/** Gives name and attributes of a statement, and remembers them by its text. */
function heads(storage: Storage): (sql: string) => SpanHead {
  const known = new Map<string, SpanHead>()
  let system = storage.system
  return function headOf(sql) {
    // A MySQL server says whether it is MariaDB when it first answers.
    if (system !== storage.system) known.clear()
    system = storage.system
    const old = known.get(sql)
    if (old) return old
    const head = statementHead(sql, storage)
    if (known.size < maxTexts) known.set(sql, head)
    return head
  }
}

function statementHead(sql: string, storage: Storage): SpanHead {
  const summary = statementSummary(sql)
  return spanHead(summary, SpanKind.CLIENT, {
    ...statementAttributes(sql, storage),
    [db.summary]: summary,
    [db.text]: sql.trim().slice(0, maxCharacters),
  })
}
