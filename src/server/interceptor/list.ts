import type { Interceptor } from '@connectrpc/connect'
import { deadline, type Deadlines } from './deadline.ts'
import { errors } from './errors.ts'
import { type InvalidOf, validate } from './validate.ts'

/**
 * The interceptors of every call in every protocol, the outermost first. For `invalidOf` see
 * validate. `inside` are those that need to know the signal of the deadline.
 */
export function interceptors(
  deadlines: Deadlines,
  invalidOf: InvalidOf,
  inside: readonly Interceptor[] = [],
): Interceptor[] {
  return [
    // Outermost, so that it maps the errors of all others.
    errors,
    // Before everything that may take time.
    deadline(deadlines),
    ...inside,
    // Innermost, so that the handler gets valid messages only.
    validate(invalidOf),
  ]
}
