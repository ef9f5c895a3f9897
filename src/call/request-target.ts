/** A request target as proxies get it, `http://host/path`, is served as its path (RFC 9112, 3.2.2). */
export function originForm(url: string): string {
  if (url.startsWith('/')) return url
  const [absolute = ''] = /^https?:\/\/[^/?#]*/i.exec(url) ?? []
  if (absolute === '') return url
  const path = url.slice(absolute.length)
  return path.startsWith('/') ? path : `/${path}`
}
