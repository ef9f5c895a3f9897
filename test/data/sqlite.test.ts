import { DatabaseSync } from 'node:sqlite'
import { test } from 'tap'
import { sqliteDatabase } from '../../src/data/sqlite/database.ts'
import { freshSqlitePath } from '../help/db.ts'
import { openRepo, repoContract, started } from './contract.ts'

repoContract((title, run) => {
  test(`${title} (SQLite)`, async (t) => {
    const path = freshSqlitePath(t)
    const open = () => sqliteDatabase(path)
    const db = await started(open())
    t.teardown(() => db.close())
    async function nextId(id: bigint): Promise<void> {
      const connection = new DatabaseSync(path)
      connection.exec('DELETE FROM sqlite_sequence')
      connection.prepare("INSERT INTO sqlite_sequence VALUES ('users', ?)").run(id - 1n)
      connection.close()
    }
    await run(t, { open, nextId }, openRepo(db))
  })
})
