import type { Interceptor } from '@connectrpc/connect'
import { errors } from './errors.ts'
import { validate } from './validate.ts'

/** What every call of every protocol passes, the outermost first. */
export function interceptors(): Interceptor[] {
  return [
    // Outermost, so that it sees what all others throw.
    errors,
    // Last before the handler, which then sees valid messages only.
    validate(),
  ]
}
