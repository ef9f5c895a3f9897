const reasons: Record<string, string> = {
  EADDRINUSE: 'where another process listens; take another port, or 0 for a free one',
  EADDRNOTAVAIL: 'whose host is no address of this machine; 0.0.0.0 and [::] are all of them',
  EACCES: 'where this process may not listen; ports below 1024 need a privilege',
  ENOTFOUND: 'whose host is not known; 0.0.0.0 and [::] are all addresses of this machine',
}

/** Says for people why a port cannot be opened at `addr`. */
export function listenProblem(addr: string, err: unknown): string {
  const { code = '', message } = err as NodeJS.ErrnoException
  const reason = reasons[code] ?? 'where nothing can listen'
  return `found ${JSON.stringify(addr)}, ${reason} (${code || message})`
}
