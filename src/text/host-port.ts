/** An address as `net` takes it; `port` is undefined where the text has none. */
interface HostPort {
  host: string
  port: number | undefined
}

/**
 * Splits `host:port`, such as a configured address or the Host header of a request. The host may be
 * empty, and loses the brackets of IPv6: `[::1]:8000` is host `::1`, port 8000.
 */
export function hostPort(text: string): HostPort {
  const [, bracketed, bare = '', port] = /^(?:\[(.*?)\]|(.*?))(?::(\d+))?$/.exec(text) ?? []
  return { host: bracketed ?? bare, port: port === undefined ? undefined : Number(port) }
}
