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
  // What a page that is traced itself adds to every call.
  'traceparent',
  'tracestate',
  'baggage',
].join(', ')
const exposedHeaders = [
  ...connectCors.exposedHeaders,
  'ETag',
  // What refusals say beside their body.
  'Accept-Encoding',
  'Accept-Patch',
  'Accept-Post',
  'Allow',
  'Retry-After',
].join(', ')
const allowOrigin = 'Access-Control-Allow-Origin'
/** Chromium keeps the answer to a preflight for no longer. */
const maxAgeSeconds = '7200'

type Asking = Pick<Request, 'headers'> & { method?: string | undefined }

/** What pages of other origins may call, as the CORS protocol of the Fetch standard has it. */
export interface Cors {
  /** Whether a page asks if it may use a method, and this port answers such questions. */
  isPreflight(request: Asking): boolean
  /**
   * Sets the headers by which a page may read the answer. True when that was all there was to do: it
   * has answered a preflight.
   */
  answers(request: Request, response: Response): boolean
  /** An answer that is made beforehand, with the headers by which a page may read it. */
  readable(arrival: Pick<Arrival, 'headers'>, answer: Answer): Answer
}

/**
 * Lets pages of these origins call a port, `*` those of any. To be asked before whatever may refuse a
 * request: a page can read no refusal without these headers, nor one that hits the preflight.
 */
export function cors(origins: readonly string[]): Cors {
  if (origins.length === 0)
    return {
      isPreflight: () => false,
      answers: () => false,
      readable: (_arrival, answer) => answer,
    }
  const any = origins.includes('*')
  const allowed = new Set(origins)

  function headersFor({ origin: sent }: IncomingHttpHeaders): Record<string, string> {
    const origin = any ? '*' : sent
    // On answers to all, since a cache may give them to a page; that is why `*` stands on all, too.
    const vary: Record<string, string> = any ? {} : { Vary: 'Origin' }
    if (origin === undefined || !allowed.has(origin)) return vary
    return { ...vary, [allowOrigin]: origin, 'Access-Control-Expose-Headers': exposedHeaders }
  }

  return {
    isPreflight,
    answers(request, response) {
      const headers = headersFor(request.headers)
      const preflight = allowOrigin in headers && isPreflight(request)
      for (const [name, value] of Object.entries(headers))
        if (!preflight || name !== 'Access-Control-Expose-Headers') response.setHeader(name, value)
      if (preflight) answerPreflight(response)
      return preflight
    },
    readable: ({ headers }, answer) => ({
      ...answer,
      headers: { ...answer.headers, ...headersFor(headers) },
    }),
  }
}

/** An OPTIONS that a page means itself is none. */
function isPreflight({ method, headers }: Asking): boolean {
  const asked = headers['access-control-request-method']
  return method === 'OPTIONS' && headers.origin !== undefined && asked !== undefined
}

/** One answer for all paths: whether the call itself is served, its own answer says. */
function answerPreflight(response: Response): void {
  response.setHeader('Access-Control-Allow-Methods', methods)
  response.setHeader('Access-Control-Allow-Headers', allowedHeaders)
  response.setHeader('Access-Control-Max-Age', maxAgeSeconds)
  response.statusCode = 204
  response.end()
}

/**
 * Reads a list of origins, separated by commas. Throws an error that names what no browser sends as
 * its Origin, such as one with a path: it would never match.
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

/** The Origin of a page at this URL; empty where a browser would have none. */
function sentByBrowsers(url: string): string {
  if (url === '*') return url
  if (!URL.canParse(url)) return ''
  const { protocol, host } = new URL(url)
  return host === '' || host.includes('*') ? '' : `${protocol}//${host}`
}
