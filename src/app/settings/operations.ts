import { operationOf } from '../../call/methods.ts'
import type { Conf } from '../../conf/conf.ts'
import { nearest } from '../../text/nearest.ts'
import { services } from '../services.ts'

/** Says that an operation is none of those that are allowed, and which one may be meant. */
export function noOperation(operation: string, allowed: readonly string[]): string {
  const meant = nearest(operation, allowed)
  const hint = meant === undefined ? '.' : `, did you mean ${meant}?`
  return `there is no such operation${hint} Allowed: ${allowed.join(', ')}`
}

/**
 * What is wrong with an operation of a service of this program; undefined for any other. A service
 * behind the gateway may have other methods than here, and `*` is any method.
 */
export function unknownOperation(operation: string, { gateway }: Conf): string | undefined {
  const [, name = '', method] = operation.split('/')
  const service = services.find(({ typeName }) => typeName === name)
  if (!service || method === '*' || Object.hasOwn(gateway.services, name)) return undefined
  const allowed = service.methods.map(operationOf)
  return allowed.includes(operation) ? undefined : noOperation(operation, allowed)
}
