import type { Connection, PoolConnection } from 'mysql2'
import { databaseUnavailable } from '../../error.ts'
import { query } from '../execute.ts'

/**
 * A server does not notice that a connection is gone while its session waits for a row, by default for
 * 50 s, so that calls that are given up would fill its max_connections. This is more than the default
 * deadline of a call; one that has more time waits anew (transaction.ts).
 */
const rowLockWaitS = 2

// A session begins as the server's variables, its init_connect or a proxy say, whatever the client has
// asked for when it connected.
const settings = [
  [
    'SET NAMES utf8mb4 COLLATE utf8mb4_bin',
    // A create that is acknowledged is committed, and no transaction begins by itself.
    'autocommit = 1',
    "completion_type = 'NO_CHAIN'",
    // Strict, and without NO_AUTO_VALUE_ON_ZERO, by which DEFAULT gives id 0. Of MySQL's own default
    // only ONLY_FULL_GROUP_BY is missing; MariaDB and TiDB know all of them.
    "sql_mode = 'STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
    "time_zone = '+00:00'",
    // The message of a duplicate names the key that was violated; not last in every language.
    "lc_messages = 'en_US'",
    // Not DEFAULT, which is the server's global value.
    'sql_select_limit = 18446744073709551615',
    `innodb_lock_wait_timeout = ${rowLockWaitS}`,
  ].join(', '),
  // A statement of its own: the variable for it is called otherwise by MySQL 8 and by MariaDB 10.
  'SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ',
]

const required = {
  character_set_client: 'utf8mb4',
  character_set_connection: 'utf8mb4',
  character_set_results: 'utf8mb4',
  autocommit: '1',
}

const names = Object.keys(required).map((name) => `@@SESSION.${name} AS ${name}`)
const check = `SELECT ${names.join(', ')}`

/** Sets up the session of each new connection, for which the first use of the connection waits. */
export function sessions() {
  const opening = new WeakMap<Connection, Promise<void>>()
  return {
    /** Sets up the session of a new connection, and destroys the connection where that fails. */
    open(connection: Connection): void {
      const ready = setUp(connection)
      opening.set(connection, ready)
      ready.then(
        () => opening.delete(connection),
        () => connection.destroy(),
      )
    },
    /** Runs `work` in a session that is set up; fails with DATABASE_UNAVAILABLE where it could not be. */
    use<T>(
      connection: PoolConnection,
      work: (connection: PoolConnection) => Promise<T>,
    ): Promise<T> {
      const ready = opening.get(connection)
      return ready === undefined ? work(connection) : ready.then(() => work(connection))
    },
  }
}

async function setUp(connection: Connection): Promise<void> {
  try {
    // All are queued at once, before anything else on this connection.
    const answers = await Promise.all([...settings, check].map((sql) => query(connection, sql)))
    const wrong = differences(answers.at(-1)?.[0] ?? {})
    if (wrong.length > 0) throw new Error(`the server goes on with ${wrong.join(', ')}`)
  } catch (err) {
    const reason = err instanceof Error ? err.message : String(err)
    throw databaseUnavailable(new Error(`the session could not be set up: ${reason}`))
  }
}

function differences(session: Record<string, unknown>): string[] {
  return Object.entries(required)
    .filter(([name, value]) => String(session[name]) !== value)
    .map(([name]) => `${name}=${String(session[name])}`)
}
