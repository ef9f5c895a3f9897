import type { Code, ConnectError } from '@connectrpc/connect'
import type { ErrorReason } from '../gen/api/errors/v1/error_reason_pb.ts'
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from '../gen/google/rpc/error_details_pb.ts'
import { boundedError } from './error-bounds.ts'
import { withStatus } from './status.ts'

/** A reason that the ports themselves give, by its name in api.errors.v1.ErrorReason. */
export type Reason = Exclude<keyof typeof ErrorReason, `${string}_UNSPECIFIED`>

interface Violation {
  field: string
  rule: string
}

/** The parts of an error beside its code, reason and message. */
export interface RefusalDetails {
  /** The HTTP status, if it is not that of the code. */
  status?: number
  metadata?: Record<string, string>
  /** Offending fields: they go into a BadRequest, and into the metadata, where Kratos' clients look. */
  violations?: readonly Violation[]
  headers?: Record<string, string>
  /** Stays in the process, for the log. */
  cause?: unknown
}

/**
 * Makes an error with the details that every error of this service has: ErrorInfo with reason and
 * metadata, and no domain, as Kratos. Its texts are cut to the bounds of error-bounds.ts.
 */
export function errorWithInfo(
  code: Code,
  reason: string,
  message: string,
  { status, metadata, violations = [], headers, cause }: RefusalDetails = {},
): ConnectError {
  const info = { reason, metadata: { ...metadata, ...rulesByField(violations) } }
  const fieldViolations = violations.map(({ field, rule }) => ({ field, description: rule }))
  const details = [
    { desc: ErrorInfoSchema, value: info },
    ...(fieldViolations.length > 0 ? [{ desc: BadRequestSchema, value: { fieldViolations } }] : []),
  ]
  const error = boundedError({ code, message, details, cause, ...(headers && { headers }) })
  return withStatus(error, status)
}

/** Makes an error with a reason of the ports; otherwise as errorWithInfo. */
export const refusal: (
  code: Code,
  reason: Reason,
  message: string,
  details?: RefusalDetails,
) => ConnectError = errorWithInfo

/** Whole seconds after which to try again, by the RetryInfo of an error. */
export function retryAfterSeconds(error: ConnectError): number | undefined {
  const [info] = error.findDetails(RetryInfoSchema)
  if (info?.retryDelay === undefined) return undefined
  const { seconds, nanos } = info.retryDelay
  return Math.max(0, Number(seconds) + (nanos > 0 ? 1 : 0))
}

/** The broken rules by field; a field that breaks several has them in one text. */
export function rulesByField(violations: readonly Violation[]): Record<string, string> {
  const byField = Object.entries(Object.groupBy(violations, ({ field }) => field))
  return Object.fromEntries(
    byField.map(([field, broken = []]) => [field, broken.map(({ rule }) => rule).join('; ')]),
  )
}
