import type { ErrorReason } from '../gen/api/errors/v1/error_reason_pb.ts'

/** The subset of google.rpc.Code that this service answers with on purpose, in Connect's spelling. */
export type ErrorKind =
  | 'invalid_argument'
  | 'not_found'
  | 'already_exists'
  | 'aborted'
  | 'unavailable'
  | 'internal'

/** A reason of api.errors.v1.ErrorReason, by name. */
export type Reason = Exclude<keyof typeof ErrorReason, 'ERROR_REASON_UNSPECIFIED'>

interface DomainErrorInit {
  kind: ErrorKind
  reason: Reason
  message: string
  metadata?: Record<string, string>
  /** Offending fields: path in the request message (proto names) and the rule that each breaks. */
  violations?: readonly FieldViolation[]
  cause?: unknown
}

export interface FieldViolation {
  field: string
  rule: string
}

/** The only error that biz and data throw on purpose. Transports derive their code from `kind`. */
export class DomainError extends Error {
  override readonly name = 'DomainError'
  readonly kind: ErrorKind
  readonly reason: Reason
  readonly metadata: Record<string, string>
  readonly violations: readonly FieldViolation[]

  constructor({ kind, reason, message, metadata, violations, cause }: DomainErrorInit) {
    super(message, cause === undefined ? undefined : { cause })
    this.kind = kind
    this.reason = reason
    this.metadata = metadata ?? {}
    this.violations = violations ?? []
  }
}

/** Refuses a request for all its offending fields at once: INVALID_USER_INPUT. */
export function invalidUserInput(violations: readonly FieldViolation[]): DomainError {
  const first = violations.map(({ field, rule }) => `${field}: ${rule}`)
  return new DomainError({
    kind: 'invalid_argument',
    reason: 'INVALID_USER_INPUT',
    message: first.join('; '),
    violations,
  })
}
