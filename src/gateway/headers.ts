import { mayLeave } from '../call/headers.ts'

/**
 * Header fields of a request that are not passed on: they are of its connection, its body, its protocol or
 * its origin, and the call that is made has its own.
 */
const notPassedOn = new Set([
  'expect',
  'forwarded',
  'host',
  'origin',
  'range',
  'referer',
  'upgrade-insecure-requests',
  'user-agent',
  'x-http-method-override',
  'x-md-service-name',
  'x-server-timeout',
])
const notPassedOnPrefixes = [
  'accept',
  'access-control-',
  'connect-',
  'content-',
  'grpc-',
  'if-',
  'sec-',
]

/** Fields of an answer that describe it as the remote has sent it. */
const notPassedBack = new Set([
  'accept-ranges',
  'age',
  'alt-svc',
  'etag',
  'expires',
  'last-modified',
  'server',
  'strict-transport-security',
  'vary',
])
const notPassedBackPrefixes = ['accept-', 'access-control-', 'connect-', 'content-', 'grpc-']

/** The metadata of a request that the remote gets, too. */
export function passedOn(received: Headers): Headers {
  return without(received, notPassedOn, notPassedOnPrefixes)
}

/** The headers or trailers of the remote's answer, or of its error, that the client gets. */
export function passedBack(received: Headers): Headers {
  return without(received, notPassedBack, notPassedBackPrefixes)
}

function without(from: Headers, names: ReadonlySet<string>, prefixes: readonly string[]): Headers {
  const kept = new Headers()
  from.forEach((value, name) => {
    if (names.has(name) || !mayLeave(name)) return
    if (prefixes.some((prefix) => name.startsWith(prefix))) return
    kept.append(name, value)
  })
  return kept
}
