import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'tap'
import type { NewUser, User, UserFields, UserRepo, UserWrites } from '../../src/biz/user.ts'
import { type ImportResult, type ImportRow, userImport } from '../../src/biz/user-import.ts'

const signal = new AbortController().signal
const at = new Date(1_700_000_000_000)

type Repo = Pick<UserRepo, 'findByEmails' | 'apply'>

interface StoreOptions {
  /** Says which writes do not fit. */
  refuse?: (writes: UserWrites) => boolean
  batchSize?: number
}

/** A store of users by address. `statements` has the reads and writes in their order. */
function storeOf(users: User[] = [], { refuse = () => false, batchSize }: StoreOptions = {}) {
  const byEmail = new Map(users.map((user) => [user.email, user]))
  const writes: UserWrites[] = []
  const statements: string[] = []
  const repo: Repo = {
    async findByEmails(emails) {
      statements.push('read')
      return emails.flatMap((email) => byEmail.get(email) ?? [])
    },
    async apply(all) {
      statements.push('write')
      writes.push(all)
      if (refuse(all)) return false
      for (const user of all.created)
        byEmail.set(user.email, { id: BigInt(byEmail.size + 1), ...user })
      for (const user of byEmail.values())
        for (const { id, changes } of all.updated)
          if (id === user.id) byEmail.set(user.email, { ...user, ...changes })
      return true
    },
  }
  return { importAll: userImport(repo, () => at, batchSize), writes, byEmail, statements }
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
  const refuse = () => {
    if (writes.length === 3) throw failed
    return false
  }
  const { importAll, writes, byEmail } = storeOf([], { refuse })
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
  const once = storeOf([], { refuse: () => (refusals -= 1) >= 0 })
  t.match(await once.importAll(rowsOf(row('a@example.org'), row('b@example.org')), signal), {
    created: 2,
    failed: 0,
  })
  const always = storeOf([], {
    refuse: ({ created }) => created.some(({ name }) => name === 'bad'),
  })
  const rows = rowsOf(row('a@example.org'), row('bad@example.org', { name: 'bad' }))
  t.strictSame(await always.importAll(rows, signal), {
    created: 1,
    updated: 0,
    failed: 1,
    failures: [{ line: 2, reason: 'USER_ALREADY_EXISTS', violations: [] }],
  })
})

const email = 'a@example.org'
const nameless = [{ field: 'user.name', rule: 'must be given for a new user' }]

test('a row without a name is no user yet, and nothing of it is kept', async (t) => {
  const rows = [row(email, { phone: '1' }), row(email, { name: 'A' }), row(email, { phone: '2' })]
  for (const batchSize of [1, 2, 3, 200]) {
    const { importAll, byEmail } = storeOf([], { batchSize })
    t.strictSame(
      await importAll(rowsOf(...rows.slice(0, 2)), signal),
      {
        created: 1,
        updated: 0,
        failed: 1,
        failures: [{ line: 1, reason: 'INVALID_USER_INPUT', violations: nameless }],
      },
      `in batches of ${batchSize}`,
    )
    t.match(byEmail.get(email), { name: 'A', phone: '' })
    t.match(await importAll(rowsOf(...rows), signal), { created: 0, updated: 3, failed: 0 })
    t.match(byEmail.get(email), { name: 'A', phone: '2' })
  }
})

test('failures are named in the order of the rows, whatever is wrong with them', async (t) => {
  const broken: ImportRow = { broken: [{ field: 'user.name', rule: 'no' }] }
  const rows = Array.from({ length: 120 }, (_, count) =>
    count % 2 === 0 ? row(`${count}@example.org`, {}) : broken,
  )
  const { failed, failures } = await storeOf().importAll(rowsOf(...rows), signal)
  t.equal(failed, 120)
  t.strictSame(
    failures.map(({ line }) => line),
    Array.from({ length: 100 }, (_, count) => count + 1),
  )
})

test('a batch is one read and one write, and only a read where nothing changes', async (t) => {
  const { importAll, statements } = storeOf([{ ...ada, email }], { batchSize: 4 })
  const rows = ['1', '2', '3', '1'].map((phone) => row(email, { phone }))
  const added = ['b', 'c', 'b', 'c'].map((name) => row(`${name}@example.org`, { name }))
  const result = await importAll(rowsOf(...rows, ...added), signal)
  t.match(result, { created: 2, updated: 6, failed: 0 })
  t.strictSame(statements, ['read', 'read', 'write'])
})

/** What becomes of rows that are stored one after the other, as the docs promise it. */
function oneByOne(users: User[], rows: ImportRow[], isTaken: (email: string) => boolean) {
  const stored = new Map(users.map((user) => [user.email, user]))
  const result: ImportResult = { created: 0, updated: 0, failed: 0, failures: [] }
  for (const [index, each] of rows.entries()) {
    const failure = failureOf(each)
    if (failure) {
      result.failed += 1
      result.failures.push({ line: index + 1, ...failure })
    } else if ('fields' in each) store(each.fields)
  }
  return { result, users: [...stored.values()] }

  function failureOf(each: ImportRow) {
    const reason = 'INVALID_USER_INPUT' as const
    if ('broken' in each) return { reason, violations: each.broken }
    if (stored.has(each.fields.email)) return undefined
    if (each.fields.name === undefined) return { reason, violations: nameless }
    return isTaken(each.fields.email)
      ? { reason: 'USER_ALREADY_EXISTS' as const, violations: [] }
      : undefined
  }

  function store(fields: Partial<UserFields> & Pick<UserFields, 'email'>): void {
    const known = stored.get(fields.email)
    if (known) result.updated += 1
    else result.created += 1
    const fresh = { id: BigInt(stored.size + 1), name: '', phone: '', createdAt: at }
    stored.set(fields.email, { ...(known ?? fresh), ...fields })
  }
}

const text = fc.constantFrom('', '1', '2')
const address = fc.constantFrom(...['a', 'b', 'c', 'd'].map((name) => `${name}@example.org`))
const optional = fc.record({ email: address, name: text, phone: text }, { requiredKeys: ['email'] })
const anyRow: fc.Arbitrary<ImportRow> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ fields: optional }) },
  { weight: 1, arbitrary: fc.constant({ broken: [{ field: 'user.phone', rule: 'no' }] }) },
)
const anyUsers = fc
  .uniqueArray(address, { maxLength: 2 })
  .map((emails) => emails.map((each, index) => ({ ...ada, id: BigInt(index + 1), email: each })))

test('wherever a batch ends, rows become what they become one after the other', async (t) => {
  const cases = { users: anyUsers, rows: fc.array(anyRow, { maxLength: 14 }), taken: address }
  await fc.assert(
    fc.asyncProperty(fc.record(cases), async ({ users, rows, taken }) => {
      // Others keep this address for themselves, which no read shows.
      const isTaken = (each: string) => each === taken
      const expected = oneByOne(users, rows, isTaken)
      for (let batchSize = 1; batchSize <= rows.length; batchSize += 1) {
        const refuse = ({ created }: UserWrites) => created.some((user) => isTaken(user.email))
        const { importAll, byEmail } = storeOf(users, { refuse, batchSize })
        const result = await importAll(rowsOf(...rows), signal)
        assert.deepEqual(
          { result, users: [...byEmail.values()] },
          expected,
          `${batchSize} at a time`,
        )
      }
    }),
    { seed: 20_260_728, numRuns: 300 },
  )
  t.pass()
})
