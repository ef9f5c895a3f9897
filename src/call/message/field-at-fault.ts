import { isFieldError } from '@bufbuild/protobuf/reflect'

/** The name of the field that protobuf could not read, with the problem; {} if the error names none. */
export function fieldAtFault(err: unknown): Record<string, string> {
  const fault = err instanceof Error ? err.cause : undefined
  if (!isFieldError(fault)) return {}
  return { [fault.field().name]: fault.message }
}
