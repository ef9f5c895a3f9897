import type { Attributes } from '@opentelemetry/api'
import { databaseCode, errorType } from '../error-type.ts'
import { exception } from './attributes.ts'

/**
 * The attributes of an exception event. Messages of drivers quote stored values, and messages of domain
 * errors the client's text, so both are left out unless `personalData` is set. A domain error below 500
 * has no stack: it would cost more than it tells.
 */
export function exceptionAttributes(err: unknown, personalData: boolean): Attributes {
  const type = errorType(err)
  if (!(err instanceof Error)) return { [exception.type]: type }
  const refused = isClientError(err)
  const message = personalData || !(refused || quotesValues(err)) ? err.message : type
  const at = refused ? -1 : (err.stack?.indexOf('\n    at ') ?? -1)
  return {
    [exception.type]: type,
    [exception.message]: message,
    ...(at !== -1 && { [exception.stack]: `${type}: ${message}${err.stack?.slice(at)}` }),
  }
}

const serverFaults = ['unavailable', 'internal']

/** True for a domain error that becomes a status below 500, such as one for something that is missing. */
export function isClientError(err: unknown): boolean {
  return err instanceof Error && 'kind' in err && !serverFaults.includes(String(err.kind))
}

function quotesValues(err: Error): boolean {
  return databaseCode(err) !== undefined
}
