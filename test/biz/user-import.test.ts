import { test } from 'tap'
import type { NewUser, User, UserRepo, UserWrites } from '../../src/biz/user.ts'
import { type ImportRow, userImport } from '../../src/biz/user-import.ts'

const signal = new AbortController().signal
const at = new Date(1_700_000_000_000)

type Repo = Pick<UserRepo, 'findByEmails' | 'apply'>

/** A store of users by address; `refuse` says which writes do not fit. */
function storeOf(users: User[] = [], refuse: (writes: UserWrites) => boolean = () => false) {
  const byEmail = new Map(users.map((user) => [user.email, user]))
  const writes: UserWrites[] = []
  const repo: Repo = {
    findByEmails: async (emails) => emails.flatMap((email) => byEmail.get(email) ?? []),
    async apply(all) {
      writes.push(all)
      if (refuse(all)) return false
      for (const user of all.created)
        byEmail.set(user.email, { id: BigInt(byEmail.size + 1), ...user })
      return true
    },
  }
  return { importAll: userImport(repo, () => at), writes, byEmail }
}

async function* rowsOf(...rows: ImportRow[]): AsyncGenerator<ImportRow> {
  yield* rows
}

const row = (email: string, fields: object = { name: 'Ada' }): ImportRow => ({
  fields: { email, ...fields },
})

const ada: User = { id: 1n, name: 'Ada', email: 'ada@example.org', phone: '1', createdAt: at }

test('new users are created, known ones changed where they differ', async (t) => {
  const { importAll, writes } = storeOf([ada, { ...ada, id: 2n, email: 'b@example.org' }])
  const result = await importAll(
    rowsOf(
      row('new@example.org', { name: ' New ' }),
      row('ADA@example.org', { phone: '2' }),
      row('b@example.org', { name: 'Ada', phone: '1' }),
    ),
    signal,
  )
  t.strictSame(result, { created: 1, updated: 2, failed: 0, failures: [] })
  const created: NewUser = { name: 'New', email: 'new@example.org', phone: '', createdAt: at }
  const updated = [{ id: 1n, changes: { email: 'ada@example.org', phone: '2' } }]
  t.strictSame(writes, [{ created: [created], updated }])
})

test('rows of one address are stored 200 at a time, too', async (t) => {
  const { importAll, writes } = storeOf()
  const rows = Array.from({ length: 1000 }, (_, count) =>
    row('a@example.org', { name: `${count}` }),
  )
  const result = await importAll(rowsOf(...rows), signal)
  t.match(result, { created: 1, updated: 999, failed: 0 })
  t.equal(writes.length, 5)
})

test('rows are stored 200 at a time, and a failure keeps what is stored', async (t) => {
  const failed = new Error('no database')
  const { importAll, writes, byEmail } = storeOf([], () => {
    if (writes.length === 3) throw failed
    return false
  })
  const rows = Array.from({ length: 1000 }, (_, count) => row(`${count}@example.org`))
  t.equal(await t.rejects(importAll(rowsOf(...rows), signal)), failed)
  t.strictSame(
    writes.map(({ created }) => created.length),
    [200, 200, 200],
  )
  t.equal(byEmail.size, 400)
})

test('rows of one address are one user, of which the later one wins', async (t) => {
  const { importAll, writes } = storeOf()
  const result = await importAll(
    rowsOf(row('a@example.org', { name: 'A', phone: '1' }), row('A@example.org', { name: 'B' })),
    signal,
  )
  t.strictSame(result, { created: 1, updated: 1, failed: 0, failures: [] })
  t.match(writes[0]?.created, [{ name: 'B', phone: '1' }])
})

test('what is wrong is counted, and the first hundred are named by their places', async (t) => {
  const { importAll } = storeOf()
  const broken: ImportRow = { broken: [{ field: 'user.name', rule: 'no' }] }
  const rows = [row('a@example.org'), ...Array.from({ length: 150 }, () => broken)]
  const result = await importAll(rowsOf(...rows, row('b@example.org', {})), signal)
  t.match(result, { created: 1, updated: 0, failed: 151 })
  t.equal(result.failures.length, 100)
  t.strictSame(result.failures[0], {
    line: 2,
    reason: 'INVALID_USER_INPUT',
    violations: broken.broken,
  })
})

test('a user that others write at the same time is tried again, and then left out alone', async (t) => {
  let refusals = 2
  const once = storeOf([], () => (refusals -= 1) >= 0)
  t.match(await once.importAll(rowsOf(row('a@example.org'), row('b@example.org')), signal), {
    created: 2,
    failed: 0,
  })
  const always = storeOf([], ({ created }) => created.some(({ name }) => name === 'bad'))
  const rows = rowsOf(row('a@example.org'), row('bad@example.org', { name: 'bad' }))
  t.strictSame(await always.importAll(rows, signal), {
    created: 1,
    updated: 0,
    failed: 1,
    failures: [{ line: 2, reason: 'USER_ALREADY_EXISTS', violations: [] }],
  })
})
