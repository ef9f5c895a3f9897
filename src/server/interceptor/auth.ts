import type { Message } from '@bufbuild/protobuf'
import type { Interceptor, StreamResponse } from '@connectrpc/connect'
import { type Identity, identityKey } from '../../call/caller/identity.ts'
import { operationOf } from '../../call/methods.ts'
import type { Authenticate } from '../auth/authenticate.ts'
import { forbidden } from '../auth/challenge.ts'
import type { Access } from '../auth/scopes.ts'
import { exchangeKey } from '../exchange/exchange.ts'
import { failureOf } from '../exchange/failure.ts'
import { toConnectError } from './connect-error.ts'

/** A call that may have changed something, and its caller. */
export interface AuditEntry {
  operation: string
  /** Undefined where nobody is let in, and of a method for everybody. */
  caller: Identity | undefined
  /** OK, or the reason of the error. */
  outcome: string
}

type Req = Parameters<ReturnType<Interceptor>>[0]

/** How callers are found, what they may do, and where writes are noted. */
export interface Auth {
  authenticate: Authenticate
  access: Access
  audit: (entry: AuditEntry) => void
}

/**
 * Lets in callers whose credentials are good and that have the scopes of the method; the handler
 * finds them by identityKey. Every call of a method that may change something is noted, also where
 * it is refused.
 */
export function auth({ authenticate, access, audit }: Auth): Interceptor {
  async function callerOf(req: Req): Promise<Identity> {
    const exchange = req.contextValues.get(exchangeKey)
    const identity = await authenticate(req.header, exchange?.request)
    req.contextValues.set(identityKey, identity)
    if (exchange) exchange.caller = identity.id
    return identity
  }

  return (next) =>
    async function auth(req) {
      const { scopes, isWrite } = access(req.method)
      if (!isWrite) {
        if (scopes) admit(await callerOf(req), scopes)
        return next(req)
      }
      let caller: Identity | undefined
      const note = (outcome: string) =>
        audit({ operation: operationOf(req.method), caller, outcome })
      try {
        if (scopes) {
          caller = await callerOf(req)
          admit(caller, scopes)
        }
        const res = await next(req)
        if (res.stream) return noted(res, note)
        note('OK')
        return res
      } catch (err) {
        note(reasonOf(err))
        throw err
      }
    }
}

/** Throws FORBIDDEN if the caller lacks a scope. */
function admit({ scopes }: Identity, needed: readonly string[]): void {
  const missing = needed.filter((scope) => !scopes.has(scope))
  if (missing.length > 0) throw forbidden(missing)
}

/** A stream has its outcome at its end; its reader may leave before. */
function noted(res: StreamResponse, note: (outcome: string) => void): StreamResponse {
  async function* messages(sent: AsyncIterable<Message>) {
    let outcome = 'CANCELED'
    try {
      yield* sent
      outcome = 'OK'
    } catch (err) {
      outcome = reasonOf(err)
      throw err
    } finally {
      note(outcome)
    }
  }
  return { ...res, message: messages(res.message) }
}

function reasonOf(err: unknown): string {
  return failureOf(toConnectError(err)).reason
}
