import { readFileSync } from 'node:fs'
import net from 'node:net'
import type { ConnectionOptions } from 'mysql2'
import type { MysqlAddress } from './dsn.ts'

/** mysql2's options for connections to an address. Throws if the file of `tls_ca` cannot be read. */
export function connectionOptions(address: MysqlAddress): ConnectionOptions {
  const { host, port, socketPath, user, password, database, tls } = address
  return {
    ...(socketPath === undefined ? { host, port } : { socketPath }),
    user,
    password,
    database,
    charset: 'utf8mb4',
    timezone: 'Z',
    // 64-bit integers come as text: as numbers they would be rounded.
    supportBigNumbers: true,
    bigNumberStrings: true,
    connectTimeout: 5_000,
    // As the statements of this service are read. A time is a Date, by `timezone`.
    rowsAsArray: true,
    // No stack is captured for each statement: an error of the driver leaves as one of ours.
    trace: false,
    ...(tls && tlsOptions(tls)),
    ...(tls?.rejectUnauthorized && net.isIP(host) !== 0 && { stream: () => socketTo(host, port) }),
  }
}

function tlsOptions({ rejectUnauthorized, caFile }: NonNullable<MysqlAddress['tls']>) {
  const ca = caFile === undefined ? {} : { ca: readFileSync(caFile, 'utf8') }
  return { ssl: { rejectUnauthorized, verifyIdentity: rejectUnauthorized, ...ca } }
}

/**
 * mysql2 names no server to TLS where the host is an IP address, since SNI has names only. node:tls
 * then compares the certificate with the name that the socket was connected to, which a socket keeps
 * for names alone, and else with `localhost`. So this one keeps its address. If node:tls ever looks
 * elsewhere, connections are refused and not let through.
 */
function socketTo(host: string, port: number): net.Socket {
  const socket = net.connect({ host, port, noDelay: true, keepAlive: true })
  return Object.assign(socket, { _host: host })
}
