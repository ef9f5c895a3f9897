import type { HandlerContext } from '@connectrpc/connect'
import type { Caller } from '../biz/caller.ts'
import { identityKey } from '../call/caller/identity.ts'

/** Who makes a call; undefined where nobody is asked for credentials. */
export function callerOf({ values }: Pick<HandlerContext, 'values'>): Caller | undefined {
  return values.get(identityKey)
}
