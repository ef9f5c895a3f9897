import { test } from 'tap'
import { DsnError, type MysqlAddress, parseMysqlDsn } from '../../src/data/mysql/dsn.ts'

const plain: MysqlAddress = {
  host: 'db',
  port: 3306,
  socketPath: undefined,
  user: 'u',
  password: '',
  database: 'd',
  tls: undefined,
}

const odd = 'p@:/%?#'
const unix = { ...plain, host: '', port: 0, socketPath: '/run/mysqld.sock' }
const checked = { rejectUnauthorized: true, caFile: undefined }
const unchecked = { rejectUnauthorized: false, caFile: undefined }
const ownCa = { rejectUnauthorized: true, caFile: '/etc/ca.pem' }

const accepted: [dsn: string, expected: MysqlAddress][] = [
  ['mysql://u@db/d', plain],
  ['mariadb://u@db/d', plain],
  ['MySQL://u:@db/d', plain],
  ['mysql://u:p%40%3A%2F%25%3F%23@db:3307/d', { ...plain, port: 3307, password: odd }],
  ['mysql://a%40b:p:q@db/d%2Fe', { ...plain, user: 'a@b', password: 'p:q', database: 'd/e' }],
  ['mysql://u@[::1]/d', { ...plain, host: '::1' }],
  ['mysql://u@[2001:db8::1]:3307/d', { ...plain, host: '2001:db8::1', port: 3307 }],
  ['mysql://u@db/d?tls=true', { ...plain, tls: checked }],
  ['mysql://u@db/d?tls=skip-verify', { ...plain, tls: unchecked }],
  ['mysql://u@db/d?tls=false', plain],
  ['mysql://u@db/d?tls=true&tls_ca=/etc/ca.pem', { ...plain, tls: ownCa }],
  ['u@tcp(db)/d', plain],
  ['u:@tcp(db:3306)/d', plain],
  [`u:${odd}@tcp(db:3307)/d`, { ...plain, port: 3307, password: odd }],
  ['u:x@tcp(other)/y?z@tcp(db)/d', { ...plain, password: 'x@tcp(other)/y?z' }],
  ['u:a://b@tcp(db)/d', { ...plain, password: 'a://b' }],
  ['u:p%40@tcp(db)/d%2Fe', { ...plain, password: 'p%40', database: 'd/e' }],
  ['u@tcp([::1])/d', { ...plain, host: '::1' }],
  ['u:p@tcp([2001:db8::1]:3307)/d', { ...plain, host: '2001:db8::1', port: 3307, password: 'p' }],
  ['u@/d', { ...plain, host: 'localhost' }],
  ['u@tcp/d', { ...plain, host: 'localhost' }],
  ['u:p@(db:3307)/d', { ...plain, port: 3307, password: 'p' }],
  ['u@([::1])/d', { ...plain, host: '::1' }],
  ['u@()/d', { ...plain, host: 'localhost' }],
  ['u:p@tcp(db)/d\n', { ...plain, password: 'p' }],
  [' \tu:p@tcp(db)/d?tls=true\r\n', { ...plain, password: 'p', tls: checked }],
  ['\nmysql://u@db/d\n', plain],
  ['u@unix(/run/mysqld.sock)/d', unix],
  ['u:p/@unix(/run/mysqld.sock)/d?tls=false', { ...unix, password: 'p/' }],
  ['u@tcp(db)/d?charset=utf8mb4&parseTime=True&loc=Asia/Shanghai', plain],
  ['u@tcp(db)/d?rejectReadOnly=true', plain],
  ['u@tcp(db)/d?tls=true', { ...plain, tls: checked }],
  ['u@tcp(db)/d?timeout=5s&tls=skip-verify', { ...plain, tls: unchecked }],
  ['u@tcp(db)/d?tls=true&tls_ca=/etc/ca.pem', { ...plain, tls: ownCa }],
  ['u@tcp(db)/d?tls=true&tls_ca=%2Fetc%2Fca.pem', { ...plain, tls: ownCa }],
]

test('a DSN is read as a URL or in the form of the Go driver', async (t) => {
  for (const [dsn, expected] of accepted) t.strictSame(parseMysqlDsn(dsn), expected, dsn)
})

const refused: [dsn: string, message: RegExp][] = [
  ['', /neither a URL/],
  ['secret', /neither a URL/],
  ['u:secret@db', /neither a URL/],
  ['u:secret@tcp(db:3306/d', /neither a URL/],
  ['postgres://u:secret@db/d', /postgres:.*mysql:/],
  ['mysql://u:secret@db', /no database/],
  ['mysql://u:secret@db/', /no database/],
  ['u:secret@tcp(db)/', /no database/],
  ['u:secret@tcp(db)/?tls=true', /no database/],
  ['mysql://:secret@db/d', /no user/],
  [':secret@tcp(db)/d', /no user/],
  ['tcp(db)/d', /no user/],
  ['mysql://u:secret@db:99999/d', /no URL/],
  ['mysql://u:secret%@db/d', /percent.*%25/],
  ['mysql://u:secret@db/d%zz', /percent.*%25/],
  ['mysql://u:?secret@db/d', /@ after its host.*%3F/],
  ['mysql://u:12?sec&secret=ret@db/d', /@ after its host.*%3F/],
  ['mysql://u:12/secret@db/d', /@ after its host.*%2F/],
  ['mysql://u:12#secret@db/d', /@ after its host.*%23/],
  ['mysql://u:secret@db/d?tls=maybe', /tls=maybe.*true, skip-verify and false/],
  ['mysql://u:secret@db/d?TLS=true', /TLS.*tls/],
  ['u:secret@tcp(db)/d?tls=preferred', /tls=preferred.*true, skip-verify and false/],
  ['u:secret@tcp(db)/d?ssl=1', /ssl.*tls/],
  ['u:secret@tcp(db)/d?tls_ca=/etc/ca.pem', /tls_ca.*tls=false.*add tls=true/],
  ['mysql://u:secret@db/d?tls_ca=/etc/ca.pem', /tls_ca.*tls=false.*add tls=true/],
  ['mysql://u:secret@db/d?tls=skip-verify&tls_ca=/ca.pem', /tls_ca.*tls=skip-verify.*add tls=true/],
  ['u:secret@udp(db)/d', /udp\(db\).*tcp/],
  ['u:secret@db/d', /db\(\).*tcp/],
  ['u:secret@tcp(::1)/d', /tcp\(::1\).*tcp\(host:port\)/],
  ['u:secret@tcp(db:)/d', /tcp\(db:\).*tcp\(host:port\)/],
  ['u:secret@tcp(db:99999)/d', /99999/],
]

test('a DSN that cannot be read says why, without its password', async (t) => {
  for (const [dsn, message] of refused) {
    const err = t.throws(() => parseMysqlDsn(dsn), DsnError, dsn) as Error
    t.match(err.message, message, dsn)
    t.notMatch(err.message, 'secret', dsn)
  }
})
