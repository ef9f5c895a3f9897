import type { FastifyRequest } from 'fastify'

/** The raw path and the raw query of a request, the latter without its question mark. */
export function splitUrl(request: FastifyRequest): [path: string, query: string] {
  const url = request.raw.url ?? ''
  const mark = url.indexOf('?')
  return mark === -1 ? [url, ''] : [url.slice(0, mark), url.slice(mark + 1)]
}
