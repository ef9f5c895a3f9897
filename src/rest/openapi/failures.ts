import { type DescField, type DescMethod, getOption } from '@bufbuild/protobuf'
import type { Reason } from '../../call/refusal.ts'
import { public$ as publicOption } from '../../gen/api/auth/v1/options_pb.ts'
import { ErrorReasonSchema, status } from '../../gen/api/errors/v1/error_reason_pb.ts'
import type { HttpBinding } from '../route/rules.ts'
import { type DeclaredReason as Failure, declaredReasons } from './declared-reasons.ts'
import type { Schema } from './scalar-schema.ts'

/** A binding, and the field that If-Match fills. */
export interface DocumentedRoute {
  binding: HttpBinding
  etag: readonly DescField[] | undefined
  /** Whether another process carries the call out. */
  isRemote?: boolean
}

type Applies = (route: DocumentedRoute) => boolean

const always: Applies = () => true
const reads: Applies = ({ binding }) => ['GET', 'HEAD'].includes(binding.httpMethod)
const sends: Applies = (route) => !reads(route)
const parses: Applies = ({ binding: { body, httpMethod } }) =>
  body !== '' || !['GET', 'HEAD', 'DELETE'].includes(httpMethod)
const streams: Applies = ({ binding }) => binding.method.methodKind !== 'unary'
const guarded: Applies = ({ binding }) => !getOption(binding.method, publicOption)
const hasVariable: Applies = ({ binding }) => binding.template.variables.length > 0

/** The errors that the port and the interceptors give, and to which operations. */
const common: readonly [reason: Reason, applies: Applies, statuses?: readonly number[]][] = [
  ['MALFORMED_URL', always],
  ['INVALID_PARAMETER', always],
  ['ROUTE_NOT_FOUND', hasVariable],
  ['NOT_ACCEPTABLE', always],
  // The others: expectation, transfer coding and version of HTTP that are not served.
  ['MALFORMED_REQUEST', always, [400, 417, 501, 505]],
  ['REQUEST_TIMEOUT', always],
  ['HEADERS_TOO_LARGE', always],
  ['MALFORMED_BODY', parses],
  ['BODY_TOO_LARGE', sends],
  // Also a form that a page of another origin sends, by any method.
  ['UNSUPPORTED_MEDIA_TYPE', always],
  ['PRECONDITION_FAILED', always],
  // Where the service asks its callers for credentials.
  ['UNAUTHORIZED', guarded],
  ['FORBIDDEN', guarded],
  ['AUTH_UNAVAILABLE', guarded],
  ['CANCELED', always],
  ['INTERNAL', always],
  ['RATELIMIT', always],
  ['OVERLOADED', always],
  ['SHUTTING_DOWN', streams],
  ['DEADLINE_EXCEEDED', always],
]

/** What may befall a call on its way to another process. */
const underWay: readonly Reason[] = ['REMOTE_UNAVAILABLE', 'CIRCUITBREAKER', 'INVALID_ARGUMENT']

/** The errors that an operation may answer: those that its method declares, and the common ones. */
function failuresOf(route: DocumentedRoute): Failure[] {
  const shared = common.flatMap(([reason, applies, statuses = [statusOfReason(reason)]]) =>
    applies(route) ? statuses.map((each) => ({ status: each, reason })) : [],
  )
  const further = route.isRemote ? underWay : []
  return [
    ...declared(route.binding.method),
    ...shared,
    ...further.map((reason) => ({ reason, status: statusOfReason(reason) })),
  ]
}

function declared(method: DescMethod): Failure[] {
  return declaredReasons(method).flatMap((failure) => {
    // An etag that is no header but a field of the request is no condition of HTTP: 409.
    return failure.reason === 'PRECONDITION_FAILED'
      ? [failure, { ...failure, status: 409 }]
      : [failure]
  })
}

function statusOfReason(reason: string): number {
  const value = ErrorReasonSchema.values.find(({ name }) => name === reason)
  return value === undefined ? 500 : getOption(value, status)
}

const retryAfter = { $ref: '#/components/headers/RetryAfter' }

/** The responses of an operation by status, each with the reasons that it may have. */
export function failureResponses(route: DocumentedRoute): Record<string, Schema> {
  const byStatus = Object.groupBy(failuresOf(route), (failure) => failure.status)
  const responses = Object.entries(byStatus).map(([code, failures = []]) => {
    const reasons = [...new Set(failures.map(({ reason }) => reason))]
    const name = `${reasons.join('_')}_${code}`
    const shared = Object.hasOwn(sharedResponses, name)
    const ref = { $ref: `#/components/responses/${name}` }
    return [code, shared ? ref : failureResponse(Number(code), reasons)] as const
  })
  return Object.fromEntries(responses)
}

function failureResponse(code: number, reasons: string[]): Schema {
  const own = { properties: { code: { const: code }, reason: { enum: reasons } } }
  const schema = { allOf: [{ $ref: '#/components/schemas/Error' }, { type: 'object', ...own }] }
  return {
    description: reasons.map((reason) => `\`${reason}\``).join(', '),
    ...(code === 503 && { headers: { 'Retry-After': retryAfter } }),
    content: jsonContent(schema),
  }
}

/** The content of a body in both types that mean JSON. */
export function jsonContent(schema: Schema): Schema {
  return { 'application/json': { schema }, 'application/protojson': { schema } }
}

/** The schema of the body of every error. */
export const errorSchema: Schema = {
  type: 'object',
  description: 'The body of every error.',
  properties: {
    code: { type: 'integer', description: 'Equal to the HTTP status.' },
    reason: { type: 'string', description: 'The value that a client branches on.' },
    message: { type: 'string', description: 'A text for people. It may change.' },
    metadata: {
      type: 'object',
      additionalProperties: { type: 'string' },
      description: 'Details, such as each invalid field with the rule that it breaks.',
    },
  },
  required: ['code', 'reason', 'message', 'metadata'],
}

/** The responses with one reason, which most operations share. */
export const sharedResponses: Readonly<Record<string, Schema>> = Object.fromEntries(
  common.flatMap(([reason, , statuses = [statusOfReason(reason)]]) =>
    statuses.map((each) => [`${reason}_${each}`, failureResponse(each, [reason])] as const),
  ),
)
