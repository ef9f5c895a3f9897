import type { Attributes } from '@opentelemetry/api'
import { exception } from './attributes.ts'

/** What a span says of an error: the reason where it has one, the driver's code, or its name. */
export function errorType(err: unknown): string {
  if (!(err instanceof Error)) return '_OTHER'
  if ('reason' in err && typeof err.reason === 'string') return err.reason
  if ('code' in err && typeof err.code === 'string') return err.code
  return err.name
}

/** The server's own number or SQLSTATE for a failed statement; undefined for other errors. */
export function databaseCode(err: unknown): string | undefined {
  if (!(err instanceof Error)) return undefined
  if ('sqlState' in err && err.sqlState !== undefined && 'errno' in err) return String(err.errno)
  return 'errcode' in err ? String(err.errcode) : undefined
}

/**
 * The exception event. Messages of drivers quote stored values and those of refusals the client's
 * text, so both are left out unless personal data is allowed; a refusal has no stack worth its price.
 */
export function exceptionAttributes(err: unknown, personalData: boolean): Attributes {
  const type = errorType(err)
  if (!(err instanceof Error)) return { [exception.type]: type }
  const refused = isRefusal(err)
  const message = personalData || !(refused || quotesValues(err)) ? err.message : type
  const at = refused ? -1 : (err.stack?.indexOf('\n    at ') ?? -1)
  return {
    [exception.type]: type,
    [exception.message]: message,
    ...(at !== -1 && { [exception.stack]: `${type}: ${message}${err.stack?.slice(at)}` }),
  }
}

const faultsOfOurs = ['unavailable', 'internal']

function isRefusal(err: Error): boolean {
  return 'kind' in err && !faultsOfOurs.includes(String(err.kind))
}

function quotesValues(err: Error): boolean {
  return databaseCode(err) !== undefined
}
