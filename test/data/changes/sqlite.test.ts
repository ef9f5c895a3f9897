import { DatabaseSync } from 'node:sqlite'
import { test } from 'tap'
import { sqliteDatabase } from '../../../src/data/sqlite/database.ts'
import { freshSqlitePath } from '../../help/db.ts'
import { started } from '../../help/started.ts'
import { changesContract } from './contract.ts'

changesContract((title, run) => {
  test(`${title} (SQLite)`, async (t) => {
    const path = freshSqlitePath(t)
    const db = await started(sqliteDatabase(path))
    t.teardown(() => db.close())
    async function execute(sql: string): Promise<void> {
      using connection = new DatabaseSync(path)
      connection.exec(sql)
    }
    await run(t, { db, execute })
  })
})
