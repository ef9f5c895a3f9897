/** Where a MySQL or MariaDB server is, and how to log in. */
export interface MysqlAddress {
  host: string
  port: number
  /** A Unix socket, instead of host and port. */
  socketPath: string | undefined
  user: string
  password: string
  database: string
  /** How the server's certificate is checked; undefined for a connection in clear text. */
  tls: { rejectUnauthorized: boolean; caFile: string | undefined } | undefined
}

/** Says what is wrong with a DSN, without repeating its password. */
export class DsnError extends Error {
  override readonly name = 'DsnError'
}

const defaultPort = 3306
const goForm =
  /^(?:(?<login>.*)@)?(?<net>[a-z0-9]*)(?:\((?<address>[^()]*)\))?\/(?<path>[^/?]*(?:\?.*)?)$/s

// Parameters of Go's driver that ask for what this service always does, or for what it has no use.
const ignored = new Set(
  'allowNativePasswords charset checkConnLiveness clientFoundRows collation columnsWithAlias interpolateParams loc maxAllowedPacket multiStatements parseTime readTimeout rejectReadOnly timeout writeTimeout'.split(
    ' ',
  ),
)

/**
 * Reads a DSN as a URL (`mysql://user:pw@host:3306/db?tls=true`, percent-encoded) or in the form of
 * Go's driver (`user:pw@tcp(host:3306)/db?tls=true`, `user@unix(/path)/db`, nothing encoded).
 * White space around it, such as the newline at the end of a mounted secret, is no part of it.
 * Parameters: `tls` = true | skip-verify | false, `tls_ca` = a PEM file. Throws DsnError.
 */
export function parseMysqlDsn(text: string): MysqlAddress {
  const dsn = text.trim()
  const address = /^[a-z][a-z0-9+.-]*:\/\//i.test(dsn) ? parseUrl(dsn) : parseGoForm(dsn)
  if (address.database === '')
    throw new DsnError('the DSN names no database: it ends in /<database>')
  if (address.user === '') throw new DsnError('the DSN names no user')
  return address
}

function parseUrl(dsn: string): MysqlAddress {
  if (!URL.canParse(dsn))
    throw new DsnError('the DSN is no URL: mysql://user:password@host:3306/database')
  const url = new URL(dsn)
  if (url.protocol !== 'mysql:' && url.protocol !== 'mariadb:')
    throw new DsnError(`the DSN's scheme is ${url.protocol}//; allowed are mysql:// and mariadb://`)
  // Such a password would end up in other parts, which errors and the start line name.
  if (`${url.pathname}${url.search}${url.hash}`.includes('@'))
    throw new DsnError('the DSN has an @ after its host: in a password, / ? and # are %2F %3F %23')
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1') || 'localhost',
    port: url.port === '' ? defaultPort : Number(url.port),
    socketPath: undefined,
    user: decoded(url.username),
    password: decoded(url.password),
    database: decoded(url.pathname.slice(1)),
    tls: parseTls(url.searchParams),
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new DsnError('the DSN has a broken percent escape: a literal % is written %25')
  }
}

function parseGoForm(dsn: string): MysqlAddress {
  const groups = goForm.exec(dsn)?.groups
  if (groups === undefined)
    throw new DsnError(
      'the DSN is neither a URL (mysql://user:password@host:3306/database) nor in the form of the Go driver (user:password@tcp(host:3306)/database)',
    )
  const { login = '', net, address = '', path = '' } = groups
  const [user = '', ...password] = login.split(':')
  const [database = '', query = ''] = path.split('?', 2)
  return {
    ...parseGoAddress(net || 'tcp', address),
    user,
    password: password.join(':'),
    database: decoded(database),
    tls: parseTls(new URLSearchParams(query)),
  }
}

function parseGoAddress(net: string, address: string) {
  if (net === 'unix') return { host: '', port: 0, socketPath: address }
  const match = /^(?:\[(?<v6>[0-9a-f:.]+)\]|(?<name>[^:]*))(?::(?<port>\d{1,5}))?$/i.exec(address)
  const port = Number(match?.groups?.port ?? defaultPort)
  if (net !== 'tcp' || match === null || port > 65535)
    throw new DsnError(
      `the DSN's address is ${net}(${address}); allowed are tcp(host:port) and unix(/path)`,
    )
  return {
    host: match.groups?.v6 ?? (match.groups?.name || 'localhost'),
    port,
    socketPath: undefined,
  }
}

function parseTls(params: URLSearchParams): MysqlAddress['tls'] {
  for (const name of params.keys()) {
    if (name !== 'tls' && name !== 'tls_ca' && !ignored.has(name))
      throw new DsnError(`the DSN has the unknown parameter ${name}; allowed are tls and tls_ca`)
  }
  const tls = params.get('tls') ?? 'false'
  if (!['true', 'skip-verify', 'false'].includes(tls))
    throw new DsnError(`the DSN has tls=${tls}; allowed are true, skip-verify and false`)
  const caFile = params.get('tls_ca') ?? undefined
  if (caFile !== undefined && tls !== 'true')
    throw new DsnError(
      `the DSN has tls_ca, but with tls=${tls} no certificate is checked: add tls=true, or leave tls_ca out`,
    )
  return tls === 'false' ? undefined : { rejectUnauthorized: tls === 'true', caFile }
}
