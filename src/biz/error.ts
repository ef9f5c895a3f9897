/**
 * The subset of google.rpc.Code that this service answers with on purpose, in Connect's spelling.
 */
export type ErrorKind =
  | 'invalid_argument'
  | 'not_found'
  | 'already_exists'
  | 'aborted'
  | 'failed_precondition'
  | 'deadline_exceeded'
  | 'unavailable'
  | 'internal'

/** The names of a proto enum of reasons, without its zero value `…_UNSPECIFIED`. */
export type ReasonOf<Enum> = Exclude<keyof Enum & string, `${string}_UNSPECIFIED`>

interface DomainErrorInit<Reason extends string> {
  kind: ErrorKind
  reason: Reason
  message: string
  metadata?: Record<string, string>
  /** The fields of the request that break a rule. */
  violations?: readonly FieldViolation[]
  cause?: unknown
}

/** A field of a request that breaks a rule. */
export interface FieldViolation {
  /** Its path in the request message, in proto names. */
  field: string
  rule: string
}

/**
 * The only error that biz and data throw on purpose. Transports derive their code from `kind`. The
 * type argument names the enum of its reasons: `new DomainError<ReasonOf<typeof ErrorReason>>`.
 */
export class DomainError<Reason extends string = string> extends Error {
  override readonly name = 'DomainError'
  readonly kind: ErrorKind
  readonly reason: Reason
  readonly metadata: Record<string, string>
  readonly violations: readonly FieldViolation[]

  constructor({ kind, reason, message, metadata, violations, cause }: DomainErrorInit<Reason>) {
    super(message, cause === undefined ? undefined : { cause })
    this.kind = kind
    this.reason = reason
    this.metadata = metadata ?? {}
    this.violations = violations ?? []
  }
}

/** The maximum number of violations that an error names: a request may have 100,000 of them. */
export const maxNamed = 8

function named(violations: readonly FieldViolation[], further: number): readonly FieldViolation[] {
  const [unnamed] = violations.slice(maxNamed, maxNamed + 1)
  if (unnamed === undefined) return violations
  const count = violations.length - maxNamed + further
  const rule = `and ${count} more problems, which are not listed`
  return [...violations.slice(0, maxNamed), { field: unnamed.field, rule }]
}

/**
 * The error of a request with invalid fields. It names the first `maxNamed` violations and counts
 * the others. `further` is the number of violations that `broken` leaves out; a caller that leaves
 * some out gives more than `maxNamed` in `broken`.
 */
export function invalidInput<Reason extends string>(
  reason: Reason,
  broken: readonly FieldViolation[],
  further = 0,
): DomainError<Reason> {
  const violations = named(broken, further)
  const message = violations.map(({ field, rule }) => `${field}: ${rule}`).join('; ')
  return new DomainError({ kind: 'invalid_argument', reason, message, violations })
}
