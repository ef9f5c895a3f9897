import { test } from 'tap'
import { type NewUser, type User, type UserRepo, userUsecase } from '../../src/biz/user.ts'

const signal = new AbortController().signal
const at = new Date(1_700_000_000_000)
const ada: User = { id: 1n, name: 'Ada', email: 'ada@example.org', phone: '', createdAt: at }

const missing = () => Promise.reject(new Error('not expected'))

function usecase(repo: Partial<UserRepo>) {
  const all: UserRepo = {
    insert: missing,
    find: missing,
    list: missing,
    count: missing,
    update: missing,
    delete: missing,
    ...repo,
  }
  return userUsecase(all, () => at)
}

test('a new user is stored trimmed, with a mail address in lower case and the time', async (t) => {
  const stored: NewUser[] = []
  const users = usecase({ insert: async (user) => BigInt(stored.push(user)) })
  const spaces = '\u00a0\u2003\t\u0085'
  const created = await users.create(
    { name: `${spaces}A  b${spaces}`, email: 'A@Example.ORG', phone: ' 1' },
    signal,
  )
  t.strictSame(stored, [{ name: 'A  b', email: 'a@example.org', phone: ' 1', createdAt: at }])
  t.strictSame(created, { id: 1n, ...stored[0] })
})

test('a byte order mark is no space and stays', async (t) => {
  const users = usecase({ update: async (id, changes) => ({ ...ada, id, ...changes }) })
  t.match(await users.update(1n, { name: '\ufeff' }, signal), { name: '\ufeff' })
})

test('a missing user is not_found with its id, for get, update and delete', async (t) => {
  const users = usecase({
    find: async () => undefined,
    update: async () => undefined,
    delete: async () => false,
  })
  const refusal = { kind: 'not_found', reason: 'USER_NOT_FOUND', metadata: { user_id: '7' } }
  t.match(await t.rejects(users.get(7n, signal)), refusal)
  t.match(await t.rejects(users.update(7n, { name: 'x' }, signal)), refusal)
  t.match(await t.rejects(users.delete(7n, signal)), refusal)
})

test('a page has 20 users unless asked, 100 at most, and knows whether there is a next', async (t) => {
  const windows: unknown[] = []
  const rows = Array.from({ length: 300 }, (_, i) => ({ ...ada, id: BigInt(i + 1) }))
  const users = usecase({
    count: async () => rows.length,
    async list(window) {
      windows.push(window)
      const from = 'after' in window ? Number(window.after) : window.offset
      return rows.slice(from, from + window.limit)
    },
  })
  t.match(await users.list({ page: 1, size: 0 }, signal), { total: 300, next: 20n })
  t.match(await users.list({ page: 2, size: 1000 }, signal), { users: { length: 100 }, next: 200n })
  t.match(await users.list({ after: 250n, size: 50 }, signal), {
    users: { length: 50 },
    next: undefined,
  })
  t.strictSame(windows, [
    { offset: 0, limit: 21 },
    { offset: 100, limit: 101 },
    { after: 250n, limit: 51 },
  ])
})
