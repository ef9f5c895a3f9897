import type { Interceptor } from '@connectrpc/connect'
import { deadline, type Deadlines } from './deadline.ts'
import { errors } from './errors.ts'
import { type InvalidOf, validate } from './validate.ts'
import type { Violations } from './violations.ts'

/**
 * The interceptors of every call in every protocol, the outermost first. For `invalidOf` see
 * validate.
 */
export function interceptors(
  deadlines: Deadlines,
  invalidOf: InvalidOf,
  violations?: Violations,
): Interceptor[] {
  return [
    // Outermost, so that it maps the errors of all others.
    errors,
    // Before everything that may take time.
    deadline(deadlines),
    // Innermost, so that the handler gets valid messages only.
    validate(invalidOf, violations),
  ]
}
