import { DatabaseSync } from 'node:sqlite'
import { createConnection } from 'mysql2/promise'
import type { Storage } from '../help/app.ts'

/** Makes the first user that is created in an empty database have this id. */
export async function startIdsAt(id: bigint, storage: Storage, database: string): Promise<void> {
  if (storage === 'sqlite') {
    using db = new DatabaseSync(database)
    db.prepare("INSERT INTO sqlite_sequence (name, seq) VALUES ('users', ?)").run(id - 1n)
    return
  }
  const connection = await createConnection(database)
  await connection.query(`ALTER TABLE users AUTO_INCREMENT = ${id}`)
  await connection.end()
}
