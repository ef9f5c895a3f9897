import { test } from 'tap'
import { DsnError, parseMysqlDsn } from '../../src/data/mysql/dsn.ts'

const plain = {
  host: 'db',
  port: 3306,
  socketPath: undefined,
  user: 'u',
  password: '',
  database: 'd',
}

const accepted: [dsn: string, expected: object][] = [
  ['mysql://u@db/d', { ...plain, tls: undefined }],
  ['mariadb://u:p%40%3A%2F%25@db:3307/d', { ...plain, port: 3307, password: 'p@:/%' }],
  ['mysql://u@[::1]:3306/d', { ...plain, host: '::1' }],
  ['u@tcp(db)/d', plain],
  ['u:p@ss:w/rd%@tcp(db:3307)/d', { ...plain, port: 3307, password: 'p@ss:w/rd%' }],
  ['u@tcp([::1]:3306)/d', { ...plain, host: '::1' }],
  ['u:p@unix(/run/mysqld.sock)/d', { socketPath: '/run/mysqld.sock', password: 'p' }],
  ['u@/d', { ...plain, host: 'localhost' }],
  ['u:p@tcp(db)/d?charset=utf8mb4&parseTime=True&loc=Asia/Shanghai', { database: 'd' }],
  ['mysql://u@db/d?tls=true', { tls: { rejectUnauthorized: true, caFile: undefined } }],
  ['u@tcp(db)/d?tls=skip-verify', { tls: { rejectUnauthorized: false, caFile: undefined } }],
  ['u@tcp(db)/d?tls=true&tls_ca=/ca.pem', { tls: { rejectUnauthorized: true, caFile: '/ca.pem' } }],
]

test('a DSN is read as a URL or in the form of the Go driver', async (t) => {
  for (const [dsn, expected] of accepted) t.match(parseMysqlDsn(dsn), expected, dsn)
})

const refused: [dsn: string, message: RegExp][] = [
  ['nonsense', /neither a URL/],
  ['postgres://u:secret@db/d', /postgres:.*mysql:/],
  ['mysql://u:secret@db/', /no database/],
  ['mysql://:secret@db/d', /no user/],
  ['u:secret@tcp(db)/d?tls=maybe', /tls=maybe.*skip-verify/],
  ['u:secret@tcp(db)/d?ssl=1', /ssl.*tls/],
  ['u:secret@udp(db)/d', /udp\(db\).*tcp/],
  ['u:secret@tcp(db:99999)/d', /99999/],
  ['mysql://u:secret%@db/d', /percent/],
]

test('a DSN that cannot be read says why, without its password', async (t) => {
  for (const [dsn, message] of refused) {
    const err = t.throws(() => parseMysqlDsn(dsn), DsnError, dsn) as Error
    t.match(err.message, message, dsn)
    t.notMatch(err.message, 'secret', dsn)
  }
})
