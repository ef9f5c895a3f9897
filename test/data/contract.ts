import type { Test } from 'tap'
import { DomainError } from '../../src/biz/error.ts'
import type { NewUser, UserRepo } from '../../src/biz/user.ts'
import type { Database } from '../../src/data/database.ts'
import { userRepo } from '../../src/data/user.ts'

export interface Adapter {
  /** Opens the same empty database each time it is called within one test. */
  open: () => Database
  /** Makes the next id the given one. */
  nextId: (id: bigint) => Promise<void>
}

const signal = new AbortController().signal
const total = { exactUpTo: 1000, maxAgeMs: 1000 }
let made = 0

function newUser(fields: Partial<NewUser> = {}): NewUser {
  const email = `contract-${(made += 1)}@example.org`
  return { name: 'Ada', email, phone: '', createdAt: new Date(1_700_000_000_123), ...fields }
}

/** What every storage adapter does; run over each with a fresh database per test. */
export function repoContract(
  suite: (title: string, run: (t: Test, adapter: Adapter, repo: UserRepo) => Promise<void>) => void,
): void {
  suite('a stored user is found as it was stored', async (t, _adapter, repo) => {
    const names = [
      'Zoë 😀 👩‍👩‍👧',
      'e\u0301 is not \u00e9',
      'שלום\u200fعالم',
      `it's "quoted" \\ 100% _ ; -- \n\t`,
      '\u{10ffff}',
    ]
    for (const name of names) {
      const user = newUser({ name, phone: '+1 (2) - 3. ' })
      const id = await repo.insert(user, signal)
      t.strictSame(await repo.find(id, signal), { id, ...user }, JSON.stringify(name))
    }
  })

  suite(
    'a user that does not exist is undefined, false or undefined',
    async (t, _adapter, repo) => {
      t.equal(await repo.find(42n, signal), undefined)
      t.equal(await repo.delete(42n, signal), false)
      t.equal(await repo.update(42n, { name: 'X' }, signal), undefined)
    },
  )

  suite('a mail address is taken once, byte by byte', async (t, _adapter, repo) => {
    const taken = newUser({ email: 'jose@example.org' })
    await repo.insert(taken, signal)
    const refused = { kind: 'already_exists', reason: 'USER_ALREADY_EXISTS' }
    t.match(await failure(repo.insert(newUser({ email: 'jose@example.org' }), signal)), refused)
    const other = await repo.insert(newUser({ email: 'josé@example.org' }), signal)
    t.match(await failure(repo.update(other, { email: 'jose@example.org' }, signal)), refused)
    t.match(await repo.find(other, signal), { email: 'josé@example.org' })
  })

  suite('of 200 concurrent creates of one address exactly one succeeds', async (t, _a, repo) => {
    const user = newUser()
    const results = await Promise.allSettled(
      Array.from({ length: 200 }, () => repo.insert(user, signal)),
    )
    const failed = results.filter((result) => result.status === 'rejected')
    t.equal(failed.length, 199)
    t.ok(failed.every(({ reason }) => reason instanceof DomainError))
    t.strictSame(
      [...new Set(failed.map(({ reason }) => (reason as DomainError).reason))],
      ['USER_ALREADY_EXISTS'],
    )
    t.equal(await repo.count(signal), 1)
  })

  suite('each of 50 concurrent updates answers what it wrote, whole', async (t, _adapter, repo) => {
    const id = await repo.insert(newUser(), signal)
    const writes = Array.from({ length: 50 }, (_, i) => ({
      name: `n${i}`,
      email: `update-${made}-${i}@example.org`,
      phone: `${1000 + i}`,
    }))
    const answers = await Promise.all(writes.map((write) => repo.update(id, write, signal)))
    for (const [i, answer] of answers.entries()) t.match(answer, writes[i])
    const last = await repo.find(id, signal)
    t.ok(
      writes.some(
        ({ name, email, phone }) =>
          last?.name === name && last.email === email && last.phone === phone,
      ),
    )
  })

  suite('updates that want each other’s addresses end without a deadlock', async (t, _a, repo) => {
    const ids = [await repo.insert(newUser(), signal), await repo.insert(newUser(), signal)]
    const emails = ['swap-a@example.org', 'swap-b@example.org']
    const results = await Promise.allSettled(
      Array.from({ length: 40 }, (_, i) =>
        repo.update(ids[i % 2] ?? 0n, { email: emails[(i >> 1) % 2] ?? '' }, signal),
      ),
    )
    for (const result of results)
      if (result.status === 'rejected') t.match(result.reason, { kind: 'already_exists' })
  })

  suite('an update changes the given fields only, also to what they are', async (t, _a, repo) => {
    const user = newUser({ phone: '123' })
    const id = await repo.insert(user, signal)
    t.strictSame(await repo.update(id, { name: 'Grace' }, signal), { id, ...user, name: 'Grace' })
    t.strictSame(await repo.update(id, { phone: '' }, signal), {
      id,
      ...user,
      name: 'Grace',
      phone: '',
    })
    t.strictSame(await repo.update(id, { name: 'Grace' }, signal), {
      id,
      ...user,
      name: 'Grace',
      phone: '',
    })
  })

  suite('ids beyond 2^53 are exact everywhere', async (t, adapter, repo) => {
    for (const first of [9007199254740993n, 9223372036854775800n]) {
      await adapter.nextId(first)
      const id = await repo.insert(newUser(), signal)
      t.equal(id, first)
      t.equal((await repo.find(id, signal))?.id, id)
      t.equal(await repo.find(id - 1n, signal), undefined)
      t.strictSame(
        (await repo.list({ after: id - 1n, limit: 9 }, signal)).map((user) => user.id),
        [id],
      )
      t.equal((await repo.update(id, { name: 'Big' }, signal))?.id, id)
      t.equal(await repo.delete(id, signal), true)
      t.equal(await repo.delete(id, signal), false)
    }
  })

  suite('an id is never given twice', async (t, _adapter, repo) => {
    const id = await repo.insert(newUser(), signal)
    await repo.delete(id, signal)
    t.ok((await repo.insert(newUser(), signal)) > id)
  })

  suite('lists are by ascending id, after an id or from an offset', async (t, _adapter, repo) => {
    const ids: bigint[] = []
    for (let i = 0; i < 5; i += 1) ids.push(await repo.insert(newUser(), signal))
    const list = async (window: Parameters<UserRepo['list']>[0]) =>
      (await repo.list(window, signal)).map(({ id }) => id)
    t.strictSame(await list({ offset: 0, limit: 2 }), ids.slice(0, 2))
    t.strictSame(await list({ offset: 3, limit: 5 }), ids.slice(3))
    t.strictSame(await list({ offset: 214748364600, limit: 5 }), [])
    t.strictSame(await list({ after: ids[1] ?? 0n, limit: 2 }), ids.slice(2, 4))
    t.strictSame(await list({ after: 2n ** 63n - 1n, limit: 2 }), [])
    t.equal(await repo.count(signal), 5)
  })

  suite('migrating again, or by two at once, applies nothing twice', async (t, adapter) => {
    const [one, other] = [adapter.open(), adapter.open()]
    t.teardown(() => Promise.all([one.close(), other.close()]))
    t.strictSame((await Promise.all([one.migrate(), other.migrate()])).flat(), [])
  })

  suite('a call whose signal has aborted fails with its reason', async (t, _adapter, repo) => {
    const reason = new Error('given up')
    t.equal(await failure(repo.find(1n, AbortSignal.abort(reason))), reason)
  })

  suite('after it is closed the storage refuses, and does not hang', async (t, adapter) => {
    const db = await started(adapter.open())
    await db.close()
    const err = await failure(userRepo(db, total).find(1n, signal))
    t.match(err, { kind: 'unavailable', reason: 'DATABASE_UNAVAILABLE' })
    t.notMatch((err as Error).message, /select|users/i)
  })
}

export function openRepo(db: Database): UserRepo {
  return userRepo(db, total)
}

/** Starts a storage that is expected to be usable at once. */
export async function started(db: Database): Promise<Database> {
  const { promise, reject, resolve } = Promise.withResolvers<void>()
  await db.start({ changed: () => undefined, migrated: () => resolve(), rejected: reject })
  await promise
  return db
}

async function failure(work: Promise<unknown>): Promise<unknown> {
  try {
    await work
  } catch (err) {
    return err
  }
  throw new Error('it did not fail')
}
