import type { Interceptor } from '@connectrpc/connect'
import { auth, type Auth } from './auth.ts'
import { deadline, type Deadlines } from './deadline.ts'
import { errors } from './errors.ts'
import { type Drain, streams } from './streams.ts'
import { type InvalidOf, validate } from './validate.ts'
import type { Violations } from './violations.ts'

/** For a process whose streams end with their connections. */
const never: Drain = { closing: new AbortController().signal, delayMs: () => 0 }

interface Further {
  /** When streams are to end. */
  drain?: Drain
  /** Asks callers for credentials; left out: everybody may call. */
  auth?: Auth
  /** Those that need to know the signal of the deadline. */
  inside?: readonly Interceptor[]
  /** The rules of messages; left out: made for this list. */
  violations?: Violations
}

/**
 * The interceptors of every call in every protocol, the outermost first. For `invalidOf` see
 * validate.
 */
export function interceptors(
  deadlines: Deadlines,
  invalidOf: InvalidOf,
  { drain = never, auth: callers, inside = [], violations }: Further = {},
): Interceptor[] {
  return [
    // Outermost, so that it maps the errors of all others.
    errors,
    // Outside of the others, so that it ends a stream whatever they wait for.
    streams(drain),
    // Before everything that may take time.
    deadline(deadlines),
    // Before validation, so that a stranger learns nothing of the rules of fields.
    ...(callers ? [auth(callers)] : []),
    ...inside,
    // Innermost, so that the handler gets valid messages only.
    validate(invalidOf, violations),
  ]
}
