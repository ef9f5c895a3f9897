import { test } from 'tap'
import { drizzleOrm } from '../../src/data/drizzle.ts'
import {
  isBrokenOff,
  isLockTimeout,
  isRejected,
  isUnwritable,
  isWithoutConnection,
  mysqlError,
} from '../../src/data/mysql/error.ts'
import { retried } from '../../src/data/mysql/transaction.ts'

/** As mysql2 throws what a server has said, below Drizzle. */
function said(errno: number) {
  const cause = Object.assign(new Error('quotes a value'), {
    errno,
    code: `CODE_${errno}`,
    sqlState: 'HY000',
  })
  return new drizzleOrm.DrizzleQueryError('insert into users', ['hidden'], cause)
}

/** Numbers of MySQL 8 and 9, MariaDB, TiDB, Galera and group replication. */
const notNow = [
  1020, 1021, 1037, 1040, 1041, 1044, 1045, 1047, 1049, 1053, 1077, 1079, 1080, 1114, 1129, 1130,
  1135, 1152, 1158, 1159, 1160, 1161, 1180, 1184, 1203, 1205, 1206, 1213, 1226, 1243, 1290, 1297,
  1317, 1461, 1615, 1637, 1689, 1792, 1820, 1836, 1862, 1874, 1927, 3032, 3100, 3101, 3118, 3159,
  3169, 3572, 3781, 3782, 3796, 3797, 3798, 3799, 4031, 4151, 8002, 8005, 8022, 8027, 8028, 8176,
  9001, 9002, 9003, 9004, 9005, 9007, 9012, 9013,
]

test('a server that cannot do it now is unavailable, and rejects no migration', async (t) => {
  for (const errno of notNow) {
    t.match(
      mysqlError(said(errno)),
      {
        kind: 'unavailable',
        reason: 'DATABASE_UNAVAILABLE',
        cause: { message: `CODE_${errno} (${errno})` },
      },
      `${errno}`,
    )
    t.equal(isRejected(said(errno)), false, `${errno}`)
  }
})

test('a statement that took longer than the server allows is past its deadline', async (t) => {
  for (const errno of [1969, 3024]) {
    t.match(mysqlError(said(errno)), { kind: 'deadline_exceeded', reason: 'DEADLINE_EXCEEDED' })
    t.equal(isRejected(said(errno)), false, `${errno}`)
  }
})

test('a statement that the server finds wrong is an internal error', async (t) => {
  for (const errno of [1054, 1064, 1142, 1146, 1264, 1366, 1406]) {
    t.match(mysqlError(said(errno)), { kind: 'internal', reason: 'INTERNAL' }, `${errno}`)
    t.equal(isRejected(said(errno)), true, `${errno}`)
  }
})

test('only what the server has undone is done anew', async (t) => {
  t.strictSame(
    notNow.filter((errno) => isBrokenOff(said(errno))),
    [1020, 1213, 3101, 8002, 8005, 8022, 9007],
  )
})

test('a lock that is not given is waited for 25 times, and the server is unavailable then', async (t) => {
  t.strictSame(
    notNow.filter((errno) => isLockTimeout(said(errno))),
    [1205],
  )
  let waits = 0
  const work = retried(async () => {
    waits += 1
    throw said(1205)
  })
  t.match(mysqlError(await t.rejects(work)), { reason: 'DATABASE_UNAVAILABLE' })
  t.equal(waits, 25)
})

test('only too many connections are no sign of an outage', async (t) => {
  t.strictSame(
    notNow.filter((errno) => isWithoutConnection(said(errno))),
    [1040, 1203, 1226],
  )
})

test('only what each write would meet again costs the connection', async (t) => {
  t.strictSame(
    notNow.filter((errno) => isUnwritable(said(errno))),
    [1047, 1290, 1792, 1836, 1874, 3032],
  )
})

test('what has not come from a server says nothing of one', async (t) => {
  const lost = Object.assign(new Error('gone'), { code: 'ECONNRESET', errno: 1290 })
  t.equal(isUnwritable(lost), false)
  t.equal(isRejected(lost), false)
})
