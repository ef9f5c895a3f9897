import { createClient } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'
import { createConnection } from 'mysql2/promise'
import { test } from 'tap'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { freshMysqlDatabase } from '../help/db.ts'
import { startProcess } from '../help/process.ts'
import { until } from '../help/until.ts'

test('the log says why a write of a stream failed, and the reply does not', async (t) => {
  const dsn = await freshMysqlDatabase(t)
  const service = await startProcess(t, { DB_DSN: dsn })
  const owner = await createConnection(dsn)
  t.teardown(() => owner.destroy())
  await owner.query('DROP TABLE users')
  const users = createClient(User, createGrpcTransport({ baseUrl: service.rpc }))
  async function* writes() {
    const value = { name: 'Ada', email: 'ada@example.com' }
    yield { requestId: 'a', change: { case: 'create' as const, value } }
  }
  for await (const { requestId, error } of users.syncUsers(writes()))
    t.match([requestId, error?.message], ['a', 'internal error'])
  const failures = () => service.lines.filter(({ msg }) => msg === 'a write of a stream failed')
  await until('the line of the failure', () => failures().length > 0)
  t.match(failures(), [{ level: 'error', err: { type: 'Error', message: /ER_NO_SUCH_TABLE/ } }])
  t.notMatch(JSON.stringify(failures()), 'ada@example.com')
})
