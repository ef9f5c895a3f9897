import { Code } from '@connectrpc/connect'
import type { IncomingHttpHeaders } from 'node:http'
import type { onRequestHookHandler } from 'fastify'
import { refusal } from '../../call/refusal.ts'

const form = /^\s*application\/x-www-form-urlencoded\s*(?:;|$)/i

/**
 * Refuses forms from pages of other origins, except the given ones (`*` is every origin). A browser
 * sends a form without a preflight, so without this hook every page could write (cross-site request
 * forgery).
 */
export function refuseForeignForms(origins: readonly string[]): onRequestHookHandler {
  const allowed = new Set(origins)
  return function refuseForeignForm({ headers }, _reply, next) {
    if (!form.test(headers['content-type'] ?? '') || !isForeign(headers, allowed)) return next()
    next(
      refusal(
        Code.InvalidArgument,
        'UNSUPPORTED_MEDIA_TYPE',
        'a form of a page of another origin is not accepted; accepted is application/json',
        { status: 415, headers: { 'Accept-Post': 'application/json' } },
      ),
    )
  }
}

/**
 * By Sec-Fetch-Site and Origin, which browsers send; a request with neither header is not from a
 * page.
 */
function isForeign(
  { origin, host, 'sec-fetch-site': site }: IncomingHttpHeaders,
  allowed: ReadonlySet<string>,
): boolean {
  if (allowed.has('*') || (origin !== undefined && allowed.has(origin))) return false
  if (site !== undefined) return site !== 'same-origin' && site !== 'none'
  if (origin === undefined) return false
  return !URL.canParse(origin) || new URL(origin).host !== host
}
