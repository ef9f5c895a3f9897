import type { Interceptor } from '@connectrpc/connect'
import { deadline, type Deadlines } from './deadline.ts'
import { errors } from './errors.ts'
import { type InvalidOf, validate } from './validate.ts'

/** What every call of every protocol passes, the outermost first. For `invalidOf` see validate. */
export function interceptors(deadlines: Deadlines, invalidOf: InvalidOf): Interceptor[] {
  return [
    // Outermost, so that it sees what all others throw.
    errors,
    // Before what may take time.
    deadline(deadlines),
    // Last before the handler, which then sees valid messages only.
    validate(invalidOf),
  ]
}
