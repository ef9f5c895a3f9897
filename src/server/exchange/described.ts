/**
 * The parts of an error for the log, without its properties, where drivers put statements and
 * values.
 */
export function described(err: unknown): unknown {
  if (!(err instanceof Error)) return { message: String(err) }
  const { name, message, stack, cause } = err
  return { type: name, message, stack, ...(cause !== undefined && { cause: described(cause) }) }
}
