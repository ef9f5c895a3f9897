/** The subset of google.rpc.Code that this service answers with on purpose, in Connect's spelling. */
export type ErrorKind =
  | 'invalid_argument'
  | 'not_found'
  | 'already_exists'
  | 'aborted'
  | 'deadline_exceeded'
  | 'unavailable'
  | 'internal'

/** The names of a proto enum of reasons, without the one that says nothing. */
export type ReasonOf<Enum> = Exclude<keyof Enum & string, `${string}_UNSPECIFIED`>

interface DomainErrorInit<Reason extends string> {
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

/**
 * The only error that biz and data throw on purpose. Transports derive their code from `kind`. What
 * throws it names the enum that declares its reasons: `new DomainError<ReasonOf<typeof ErrorReason>>`.
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

/** How many violations an error names; a request may break a rule a hundred thousand times. */
export const maxNamed = 8

function named(violations: readonly FieldViolation[], further: number): readonly FieldViolation[] {
  const [unnamed] = violations.slice(maxNamed, maxNamed + 1)
  if (unnamed === undefined) return violations
  const count = violations.length - maxNamed + further
  const rule = `and ${count} more problems, which are not listed`
  return [...violations.slice(0, maxNamed), { field: unnamed.field, rule }]
}

/**
 * Refuses a request for its offending fields, the first few by name and the others by number, with the
 * reason of the noun concerned. `further` counts those that `broken` leaves out; if there are any,
 * `broken` has more than `maxNamed`.
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
