import { type DescMethod, getOption } from '@bufbuild/protobuf'
import { MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt'
import { operationOf } from '../../call/methods.ts'
import { public$ as publicOption, scopes } from '../../gen/api/auth/v1/options_pb.ts'

/** What a method asks of its callers. */
export interface MethodAccess {
  /** Undefined where everybody may call it. */
  scopes: readonly string[] | undefined
  /** It may change something. */
  isWrite: boolean
}

/** Tells what a method asks of its callers. */
export type Access = (method: DescMethod) => MethodAccess

/** Of the methods of the process itself. */
const everybody: MethodAccess = { scopes: undefined, isWrite: false }
const anyCaller: MethodAccess = { scopes: [], isWrite: false }

/**
 * Reads from the proto who may call each method. Throws an error that names a method of `modules`
 * with neither scopes nor `public`, so that none is open by accident. `open` are operations for
 * everybody; `*` at their ends stands for every ending. Other methods, such as those of
 * reflection, are for every caller with credentials.
 */
export function accessOf(modules: readonly DescMethod[], open: readonly string[]): Access {
  const known = new Map(
    modules.map((method) => [method, { scopes: declared(method, open), isWrite: !isRead(method) }]),
  )
  return (method) => known.get(method) ?? (isOpen(method, open) ? everybody : anyCaller)
}

function isRead({ idempotency }: DescMethod): boolean {
  return idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS
}

function declared(method: DescMethod, open: readonly string[]): readonly string[] | undefined {
  if (getOption(method, publicOption) || isOpen(method, open)) return undefined
  const needed = getOption(method, scopes)
  if (needed.length === 0)
    throw new Error(
      `${operationOf(method)} has neither scopes nor public in the proto (api.auth.v1), so nobody can be let in`,
    )
  return needed
}

function isOpen(method: DescMethod, open: readonly string[]): boolean {
  const operation = operationOf(method)
  return open.some((each) =>
    each.endsWith('*') ? operation.startsWith(each.slice(0, -1)) : each === operation,
  )
}
