import type { IncomingHttpHeaders } from 'node:http'
import { cors as connectCors } from '@connectrpc/connect'
import type { Answer, Arrival } from '../listener/arrival.ts'
import type { Request, Response } from '../exchange/exchange.ts'

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'].join(', ')
const allowedHeaders = [
  ...connectCors.allowedHeaders,
  'X-Server-Timeout',
  'If-Match',
  'If-None-Match',
  // Headers that a page with tracing adds to every call.
  'traceparent',
  'tracestate',
  'baggage',
]
const exposedHeaders = [
  ...connectCors.exposedHeaders,
  'ETag',
  // Headers of refusals.
  'Accept-Encoding',
  'Accept-Patch',
  'Accept-Post',
  'Allow',
  'Retry-After',
]
const allowOrigin = 'Access-Control-Allow-Origin'
/** The maximum time for which Chromium caches the answer to a preflight. */
const maxAgeSeconds = '7200'

type Asking = Pick<Request, 'headers'> & { method?: string | undefined }

/** Headers beside those that the protocols have. */
export interface CorsHeaders {
  /** Those that pages may send. */
  allowed: readonly string[]
  /** Those that pages may read. */
  exposed: readonly string[]
}

/** The CORS protocol of the Fetch standard for one port. */
export interface Cors {
  /** Whether a request is a CORS preflight that this port answers. */
  isPreflight(request: Asking): boolean
  /**
   * Sets the headers that let a page read the answer. Returns true if the request was a preflight,
   * which it has then answered.
   */
  answers(request: Request, response: Response): boolean
  /** Adds the headers that let a page read it to an answer made in advance. */
  readable(arrival: Pick<Arrival, 'headers'>, answer: Answer): Answer
}

/**
 * Lets pages of these origins call a port; `*` is every origin, and without one there is nothing to do.
 * It must run before every check that may refuse a request: without these headers a page cannot read a
 * refusal, and a preflight that is refused hides the reason, too.
 */
export function cors(
  origins: readonly string[],
  further: CorsHeaders = { allowed: [], exposed: [] },
): Cors | undefined {
  if (origins.length === 0) return undefined
  const any = origins.includes('*')
  const allowed = new Set(origins)
  const allowedList = [...allowedHeaders, ...further.allowed].join(', ')
  const exposedList = [...exposedHeaders, ...further.exposed].join(', ')

  function headersFor({ origin: sent }: IncomingHttpHeaders): Record<string, string> {
    const origin = any ? '*' : sent
    // On every answer, since a cache may give it to a page later; `*` is on every answer for the
    // same reason.
    const vary: Record<string, string> = any ? {} : { Vary: 'Origin' }
    if (origin === undefined || !allowed.has(origin)) return vary
    return { ...vary, [allowOrigin]: origin, 'Access-Control-Expose-Headers': exposedList }
  }

  return {
    isPreflight,
    answers(request, response) {
      const headers = headersFor(request.headers)
      const preflight = allowOrigin in headers && isPreflight(request)
      for (const [name, value] of Object.entries(headers))
        if (!preflight || name !== 'Access-Control-Expose-Headers') response.setHeader(name, value)
      if (preflight) answerPreflight(response, allowedList)
      return preflight
    },
    readable: ({ headers }, answer) => ({
      ...answer,
      headers: { ...answer.headers, ...headersFor(headers) },
    }),
  }
}

/**
 * An OPTIONS request that a page sends itself lacks Access-Control-Request-Method: it is no
 * preflight.
 */
function isPreflight({ method, headers }: Asking): boolean {
  const asked = headers['access-control-request-method']
  return method === 'OPTIONS' && headers.origin !== undefined && asked !== undefined
}

/**
 * The same answer for all paths: whether a path is served is told by the answer to the call itself.
 */
function answerPreflight(response: Response, allowedList: string): void {
  response.setHeader('Access-Control-Allow-Methods', methods)
  response.setHeader('Access-Control-Allow-Headers', allowedList)
  response.setHeader('Access-Control-Max-Age', maxAgeSeconds)
  response.statusCode = 204
  response.end()
}

/**
 * Reads a list of origins, separated by commas. Throws an error that names an entry that no browser
 * sends as its Origin, such as one with a path, since it would never match.
 */
export function parseOrigins(list: string): string[] {
  const origins = list.split(',').map((origin) => origin.trim())
  for (const origin of origins) {
    const sent = sentByBrowsers(origin)
    if (origin !== sent && origin !== '')
      throw new Error(
        `server.cors.origins: ${JSON.stringify(origin)} is no origin${sent && `; a browser sends ${sent}`}`,
      )
  }
  return origins.filter(Boolean)
}

/** Reads a list of header names, separated by commas. Throws an error that names what is no such name. */
export function parseHeaderNames(list: string, setting: string): string[] {
  const names = list.split(',').map((name) => name.trim())
  const wrong = names.find((name) => !/^[\w!#$%&'*+.^`|~-]*$/.test(name))
  if (wrong !== undefined)
    throw new Error(`${setting}: ${JSON.stringify(wrong)} is no name of a header`)
  return names.filter(Boolean)
}

/** The Origin header of a page at this URL; '' if a browser would send none. */
function sentByBrowsers(url: string): string {
  if (url === '*') return url
  if (!URL.canParse(url)) return ''
  const { protocol, host } = new URL(url)
  return host === '' || host.includes('*') ? '' : `${protocol}//${host}`
}
