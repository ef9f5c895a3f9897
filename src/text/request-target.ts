/** Path and query of a request target; proxies get `http://host/path` as the target (RFC 9112, 3.2.2). */
export function originForm(url: string): string {
  if (url.startsWith('/')) return url
  const [absolute = ''] = /^https?:\/\/[^/?#]*/i.exec(url) ?? []
  if (absolute === '') return url
  const path = url.slice(absolute.length)
  return path.startsWith('/') ? path : `/${path}`
}
