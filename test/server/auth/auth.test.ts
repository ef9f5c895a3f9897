import { createHash } from 'node:crypto'
import { test } from 'tap'
import { User } from '../../../src/gen/api/user/v1/user_pb.ts'
import { Health } from '../../../src/gen/health/v1/health_pb.ts'
import { identityOfKey, parseApiKeys } from '../../../src/server/auth/api-keys.ts'
import type { Identity } from '../../../src/call/caller/identity.ts'
import { accessOf } from '../../../src/server/auth/scopes.ts'
import { tokenCache } from '../../../src/server/auth/token-cache.ts'

const ada: Identity = { id: 'ada', kind: 'token', scopes: new Set() }

test('a method with neither scopes nor public stops the start by its name', async (t) => {
  t.throws(() => accessOf([User.method.getUser, Health.method.check], []), {
    message: /^\/grpc\.health\.v1\.Health\/Check has neither scopes nor public/,
  })
})

test('open operations are for everybody, others of the process for each known caller', async (t) => {
  const access = accessOf([User.method.getUser], ['/grpc.health.v1.Health/Check'])
  t.same(access(User.method.getUser), { scopes: ['users:read'], isWrite: false })
  t.same(access(Health.method.check), { scopes: undefined, isWrite: false })
  t.same(access(Health.method.watch), { scopes: [], isWrite: false })
  const all = accessOf(Object.values(User.method), ['/api.user.v1.User/*'])
  t.same(all(User.method.deleteUser), { scopes: undefined, isWrite: true })
})

test('every method of users says which scopes it needs', async (t) => {
  const access = accessOf(User.methods, [])
  for (const method of User.methods) t.match(access(method).scopes?.[0], /^users:(read|write)$/)
})

test('a token is known for a while, and never beyond its end', async (t) => {
  let now = 0
  const cache = tokenCache(60_000, () => now)
  cache.add('long', ada, undefined)
  cache.add('short', ada, 10_000)
  cache.add('ended', ada, 0)
  t.equal(cache.find('ended'), undefined)
  now = 9_999
  t.equal(cache.find('short'), ada)
  now = 10_000
  t.equal(cache.find('short'), undefined)
  t.equal(cache.find('long'), ada)
  now = 60_000
  t.equal(cache.find('long'), undefined)
})

test('of too many tokens the oldest is forgotten', async (t) => {
  const cache = tokenCache(60_000, () => 0)
  for (let index = 0; index <= 10_000; index += 1) cache.add(`${index}`, ada, undefined)
  t.equal(cache.find('0'), undefined)
  t.equal(cache.find('1'), ada)
  t.equal(cache.find('10000'), ada)
})

test('a line of the file of keys that is wrong is named, without what is in it', async (t) => {
  const digest = createHash('sha256').update('secret').digest('hex')
  const keys = parseApiKeys(`# keys\n\nada ${digest} a b\nbob ${digest}\n`)
  t.same([...identityOfKey(keys, 'ada.secret').scopes], ['a', 'b'])
  t.equal(identityOfKey(keys, 'bob.secret').scopes.size, 0)
  const wrong = ['ada', `ada ${digest.slice(1)}`, `a.b ${digest}`, 'ada secret users:read']
  for (const text of wrong)
    t.throws(() => parseApiKeys(`\n${text}`), { message: /^line 2 must be: id sha256[\w -]+$/ })
  t.throws(() => parseApiKeys(`ada ${digest}\nada ${digest}`), { message: /^line 2 has the id/ })
})
