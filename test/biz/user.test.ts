import { test } from 'tap'
import { DomainError } from '../../src/biz/error.ts'
import {
  type NewUser,
  type User,
  type UserPage,
  type UserRepo,
  userTag,
  userUsecase,
} from '../../src/biz/user.ts'

const signal = new AbortController().signal
const at = new Date(1_700_000_000_000)
const ada: User = { id: 1n, name: 'Ada', email: 'ada@example.org', phone: '', createdAt: at }

/** Over the methods that a test expects to be called; a call of another fails. */
function usecase(repo: Partial<UserRepo>) {
  return userUsecase(repo as UserRepo, () => at)
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

test('a name loses every space of Unicode around it, and nothing else', async (t) => {
  const users = usecase({ update: async (id, changes) => ({ ...ada, id, ...changes }) })
  const spaces = '\t\n\v\f\r \u0085\u00a0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000'
  const cases: [name: string, stored: string][] = [
    [`${spaces}A${spaces}B${spaces}`, `A${spaces}B`],
    ['\ufeffA\ufeff', '\ufeffA\ufeff'],
    ['\u200bA\u180e', '\u200bA\u180e'],
    [' \ufeff ', '\ufeff'],
  ]
  for (const [name, stored] of cases)
    t.equal((await users.update(1n, { name }, signal)).name, stored, JSON.stringify(name))
})

test('an update changes what it is given, by the rules of a create', async (t) => {
  const changes: unknown[] = []
  const users = usecase({
    async update(id, given) {
      changes.push(given)
      return { ...ada, id, ...given }
    },
  })
  await users.update(1n, { phone: ' 1 ' }, signal)
  await users.update(1n, { name: ' B ', email: 'B@Example.ORG' }, signal)
  t.strictSame(changes, [{ phone: ' 1 ' }, { name: 'B', email: 'b@example.org' }])
})

test('what the storage fails with comes through', async (t) => {
  const taken = new DomainError({
    kind: 'already_exists',
    reason: 'USER_ALREADY_EXISTS',
    message: 'taken',
  })
  const refuse = () => Promise.reject(taken)
  const users = usecase({ insert: refuse, update: refuse, list: async () => [], count: refuse })
  t.equal(await t.rejects(users.create(ada, signal)), taken)
  t.equal(await t.rejects(users.update(1n, { email: 'b' }, signal)), taken)
  t.equal(await t.rejects(users.list({ page: 1, size: 0 }, signal)), taken)
})

test('every call reaches the storage with the signal of its caller', async (t) => {
  const given = new AbortController().signal
  const signals: AbortSignal[] = []
  const seen = <T>(signal: AbortSignal, value: T) => {
    signals.push(signal)
    return Promise.resolve(value)
  }
  const users = usecase({
    insert: (_user, signal) => seen(signal, 1n),
    find: (_id, signal) => seen(signal, ada),
    list: (_window, signal) => seen(signal, []),
    count: (signal) => seen(signal, 0),
    update: (_id, _changes, signal) => seen(signal, ada),
    delete: (_id, signal) => seen(signal, true),
  })
  await users.create(ada, given)
  t.strictSame(await users.get(1n, given), ada)
  await users.list({ page: 1, size: 0 }, given)
  await users.update(1n, {}, given)
  t.equal(await users.delete(1n, given), undefined)
  t.equal(signals.length, 6)
  t.ok(signals.every((signal) => signal === given))
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

test('a tag names the state of a user: equal for equal fields, another for each other one', async (t) => {
  const others: Partial<User>[] = [
    {},
    { id: 2n },
    { name: 'B' },
    { email: 'b@example.org' },
    { phone: '1' },
    { createdAt: new Date(at.getTime() + 1) },
    { name: 'Ada","ada@example.org', email: '' },
  ]
  const tags = others.map((fields) => userTag({ ...ada, ...fields }))
  t.equal(new Set(tags).size, tags.length)
  t.equal(userTag({ ...ada, createdAt: new Date(at) }), tags[0])
  for (const tag of tags) t.match(tag, /^[\w-]{22}$/)
})

test('a write with tags is made only if the user has one of them when it is made', async (t) => {
  const passed: (User | undefined)[] = []
  const users = usecase({
    async update(id, _changes, _signal, check) {
      check?.(ada)
      passed.push(ada)
      return { ...ada, id }
    },
    async delete(_id, _signal, check) {
      check?.(ada)
      return passed.push(ada) > 0
    },
  })
  const tags = ['other', userTag(ada)]
  await users.update(1n, { name: 'B' }, signal, tags)
  await users.delete(1n, signal, tags)
  await users.update(1n, { name: 'B' }, signal)
  await users.delete(1n, signal)
  t.equal(passed.length, 4)
  const refusal = { kind: 'aborted', reason: 'PRECONDITION_FAILED', metadata: { user_id: '1' } }
  for (const none of [['other'], [], [userTag({ ...ada, name: 'B' })]]) {
    t.match(await t.rejects(users.update(1n, { name: 'B' }, signal, none)), refusal)
    t.match(await t.rejects(users.delete(1n, signal, none)), refusal)
  }
  t.equal(passed.length, 4)
})

test('a page has 20 users unless asked, and 100 at most', async (t) => {
  const users = usecase(stored(300))
  for (const [size, length] of [
    [0, 20],
    [1, 1],
    [99, 99],
    [100, 100],
    [101, 100],
    [2 ** 31 - 1, 100],
  ] as const) {
    t.equal((await users.list({ page: 1, size }, signal)).users.length, length)
    t.equal((await users.list({ after: 0n, size }, signal)).users.length, length)
  }
})

test('a page tells where the next one starts, and the last that there is none', async (t) => {
  const users = usecase(stored(60))
  t.strictSame(await ids(users.list({ page: 2, size: 0 }, signal)), [21n, 40n, 60, 40n])
  t.strictSame(await ids(users.list({ page: 3, size: 0 }, signal)), [41n, 60n, 60, undefined])
  t.strictSame(await ids(users.list({ after: 39n, size: 20 }, signal)), [40n, 59n, 60, 59n])
  t.strictSame(await ids(users.list({ after: 40n, size: 20 }, signal)), [41n, 60n, 60, undefined])
  const none = [undefined, undefined, 60, undefined]
  t.strictSame(await ids(users.list({ page: 4, size: 20 }, signal)), none)
  t.strictSame(await ids(users.list({ page: 2 ** 31 - 1, size: 100 }, signal)), none)
  t.strictSame(await ids(users.list({ after: 60n, size: 20 }, signal)), none)
})

/** Storage of so many users, with ids from 1. */
function stored(count: number): Partial<UserRepo> {
  const rows = Array.from({ length: count }, (_, i) => ({ ...ada, id: BigInt(i + 1) }))
  return {
    count: async () => rows.length,
    async list(window) {
      const from = 'after' in window ? Number(window.after) : window.offset
      return rows.slice(from, from + window.limit)
    },
  }
}

/** First and last id, the total, and where the next page starts. */
async function ids(page: Promise<UserPage>) {
  const { users, total, next } = await page
  return [users[0]?.id, users.at(-1)?.id, total, next]
}
