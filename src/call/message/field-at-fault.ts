import { isFieldError } from '@bufbuild/protobuf/reflect'

/** The field whose JSON or binary form protobuf could not read, with what it found there. */
export function fieldAtFault(err: unknown): Record<string, string> {
  const fault = err instanceof Error ? err.cause : undefined
  if (!isFieldError(fault)) return {}
  return { [fault.field().name]: fault.message }
}
