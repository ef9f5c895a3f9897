import { test, type Test } from 'tap'
import type { StorageProblems } from '../../src/data/database.ts'
import { mysqlDatabase } from '../../src/data/mysql/database.ts'
import { certificates } from '../help/certificates.ts'
import { privateMysqlServer } from '../help/db.ts'

const noMatch = /^HANDSHAKE_SSL_ERROR: Hostname\/IP does not match certificate's altnames/

/** A server with a certificate for this subject, and a function that says why not when one connects. */
async function secureServer(t: Test, subject: string) {
  const authority = certificates(t)
  const { certFile, keyFile } = authority.issue('database', subject)
  const { dsn } = await privateMysqlServer(t, [`--ssl-cert=${certFile}`, `--ssl-key=${keyFile}`])
  async function problem(host: string, parameters: Record<string, string>): Promise<string> {
    const url = new URL(dsn)
    url.hostname = host
    url.search = new URLSearchParams(parameters).toString()
    const pool = { size: 1, maxWaiting: 1, waitMs: 2000 }
    const db = mysqlDatabase({ source: url.href, pool })
    const known = Promise.withResolvers<string>()
    // A server on a busy machine may be late at first, which is a problem of its own.
    function changed({ database, migrations }: StorageProblems): void {
      if (database.startsWith('no answer')) return
      if (database !== '' || migrations === '') known.resolve(database)
    }
    try {
      await db.start({ changed, migrated: () => undefined, rejected: known.reject })
      return await known.promise
    } finally {
      await db.close()
    }
  }
  return { problem, caFile: authority.caFile }
}

test('a server reached by its address must have a certificate for the address', async (t) => {
  const { problem, caFile } = await secureServer(t, 'IP:127.0.0.1')
  const trusting = { tls: 'true', tls_ca: caFile }
  t.equal(await problem('127.0.0.1', trusting), '')
  t.match(await problem('localhost', trusting), noMatch)
  t.equal(await problem('127.0.0.1', { tls: 'skip-verify' }), '')
})

test('a server reached by its name must have a certificate for the name', async (t) => {
  const { problem, caFile } = await secureServer(t, 'DNS:localhost')
  const trusting = { tls: 'true', tls_ca: caFile }
  t.equal(await problem('localhost', trusting), '')
  t.match(await problem('127.0.0.1', trusting), noMatch)
})

test('a server with a certificate of an unknown authority is not used, and the problem says so', async (t) => {
  const { problem } = await secureServer(t, 'IP:127.0.0.1')
  const { caFile } = certificates(t)
  const unknown =
    /^HANDSHAKE_SSL_ERROR: (?:unable to verify the first certificate|self-signed certificate)/
  t.match(await problem('127.0.0.1', { tls: 'true', tls_ca: caFile }), unknown)
  t.match(await problem('127.0.0.1', { tls: 'true' }), unknown)
})
