import type { RawRequest } from './raw.ts'

/** The path of the service's methods on the RPC port. */
export const user = '/api.user.v1.User'
/** The limits of a service whose refusals are tested. */
export const limits = { maxBodyBytes: 2048, maxHeaderBytes: 4096 }
/** The headers of a JSON body. */
export const json = { 'Content-Type': 'application/json' }
/** The rule of a user's id. */
export const idRule = 'must be an integer from 1 to 9223372036854775807'

/** What no client may read: SQL, names of the implementation, stack frames, other people's text. */
export const inside =
  /select |insert |update `|sqlite|mysql|drizzle|fastify|FST_|HPE_|node:|node_modules|\.ts|\n\s+at /i

/** A POST of REST that creates a user, or of another body and headers. */
export function post(
  body: string | Uint8Array,
  headers: Record<string, string> = json,
): RawRequest {
  return { method: 'POST', target: '/v1/users', headers, body }
}

/** A GET without a body. */
export const get = (target: string): RawRequest => ({ target })
