import { cors as connectCors } from '@connectrpc/connect'
import type { Request, Response } from './exchange.ts'

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'].join(', ')
const allowedHeaders = [...connectCors.allowedHeaders, 'X-Server-Timeout'].join(', ')
const exposedHeaders = [
  ...connectCors.exposedHeaders,
  // What refusals say beside their body.
  'Accept-Encoding',
  'Accept-Post',
  'Allow',
  'Retry-After',
].join(', ')
/** Chromium keeps the answer to a preflight for no longer. */
const maxAgeSeconds = '7200'

/**
 * Sets the headers by which a page of another origin may read an answer, as the CORS protocol of the
 * Fetch standard has them. True when that was all there was to do: it has answered a preflight.
 */
export type Cors = (request: Request, response: Response) => boolean

/**
 * Lets pages of these origins call a port, `*` those of any. To be asked before whatever may refuse a
 * request: a page can read no refusal without these headers, nor one that hits the preflight.
 */
export function cors(origins: readonly string[]): Cors {
  if (origins.length === 0) return () => false
  const any = origins.includes('*')
  const allowed = new Set(origins)
  return function allow(request, response) {
    const origin = any ? '*' : request.headers.origin
    // On answers to all, since a cache may give them to a page; that is why `*` stands on all, too.
    if (!any) response.setHeader('Vary', 'Origin')
    if (origin === undefined || !allowed.has(origin)) return false
    response.setHeader('Access-Control-Allow-Origin', origin)
    if (isPreflight(request)) {
      answerPreflight(response)
      return true
    }
    response.setHeader('Access-Control-Expose-Headers', exposedHeaders)
    return false
  }
}

/** Asks whether a method may be used; an OPTIONS of a page's own does not. */
function isPreflight({ method, headers }: Request): boolean {
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
