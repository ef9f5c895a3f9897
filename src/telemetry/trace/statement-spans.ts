import {
  type Attributes,
  type Context,
  type Span,
  SpanKind,
  SpanStatusCode,
} from '@opentelemetry/api'
import type { ObserveStatements, Storage } from '../../data/statement-observer.ts'
import { databaseCode, errorType } from '../error-type.ts'
import { statementAttributes, statementSummary } from '../statement.ts'
import { exceptionAttributes } from './exception.ts'
import { contextOf, fail, markFailed, type SpanTools, timeIn } from './layer-spans.ts'
import { db, error, exception } from './attributes.ts'
import type { Scope } from './scope.ts'

/** A connection that is free is handed over in less; only longer waits have a span. */
const minWaitMs = 1
/** Texts of statements that are kept parsed; a service has some dozens. */
const maxTexts = 1000
/** Of a statement's text in a span. */
const maxCharacters = 2000

interface Statement {
  summary: string
  attributes: Attributes
}

/** See `Tracing.statements`. Texts have placeholders where the values go, so they may be shown. */
export function statementSpans(tools: SpanTools, root: Context): ObserveStatements {
  const { scopes, tracer } = tools

  return function observe(storage) {
    const described = describer(storage)

    function begin(scope: Scope, sql: string): Span {
      const { summary, attributes } = described(sql)
      const options = { kind: SpanKind.CLIENT, startTime: timeIn(scope.trace), attributes }
      return tracer.startSpan(summary, options, contextOf(scope, root))
    }

    return {
      statement(sql, run) {
        const scope = scopes.getStore()
        if (scope?.span === undefined) return run()
        const span = begin(scope, sql)
        const open = (scope.statements ??= new Set())
        open.add(span)
        return run().then(
          (value) => {
            if (open.delete(span)) span.end(timeIn(scope.trace))
            return value
          },
          (err: unknown) => {
            if (open.delete(span)) failStatement(span, scope, err, tools.personalData)
            throw err
          },
        )
      },
      waited(since, err) {
        const scope = scopes.getStore()
        if (scope?.span === undefined) return
        if (err === undefined && performance.now() - since < minWaitMs) return
        const options = {
          kind: SpanKind.INTERNAL,
          startTime: timeIn(scope.trace, since),
          attributes: { [db.system]: storage.system, [db.pool]: storage.namespace },
        }
        const span = tracer.startSpan('connection wait', options, contextOf(scope, root))
        if (err !== undefined) {
          fail(span, scope, err, tools)
          markFailed(scope)
        }
        span.end(timeIn(scope.trace))
      },
    }
  }
}

function failStatement(span: Span, scope: Scope, err: unknown, personalData: boolean): void {
  const code = databaseCode(err)
  const type = errorType(err)
  span.setAttribute(error.type, type)
  if (code !== undefined) span.setAttribute(db.status, code)
  span.setStatus({ code: SpanStatusCode.ERROR, message: type })
  span.addEvent(exception.event, exceptionAttributes(err, personalData), timeIn(scope.trace))
  markFailed(scope)
  span.end(timeIn(scope.trace))
}

/** Gives name and attributes of a statement, and remembers them by its text. */
function describer(storage: Storage): (sql: string) => Statement {
  const known = new Map<string, Statement>()
  let system = storage.system
  return function described(sql) {
    // A MySQL server says whether it is MariaDB when it first answers.
    if (system !== storage.system) known.clear()
    system = storage.system
    const statement = known.get(sql) ?? describeStatement(sql, storage)
    if (known.size < maxTexts) known.set(sql, statement)
    return statement
  }
}

function describeStatement(sql: string, storage: Storage): Statement {
  const summary = statementSummary(sql)
  return {
    summary,
    attributes: {
      ...statementAttributes(sql, storage),
      [db.summary]: summary,
      [db.text]: sql.trim().slice(0, maxCharacters),
    },
  }
}
