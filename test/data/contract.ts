import { inspect, isDeepStrictEqual } from 'node:util'
import type { Test } from 'tap'
import { DomainError } from '../../src/biz/error.ts'
import type { NewUser, UserFields, UserRepo } from '../../src/biz/user.ts'
import type { Database } from '../../src/data/database.ts'
import { userRepo } from '../../src/data/user.ts'
import { started } from '../help/started.ts'

export interface Adapter {
  /** Opens the same empty database each time it is called within one test. */
  open: () => Database
  /** Makes the next id the given one. */
  nextId: (id: bigint) => Promise<void>
  /** Runs one statement past the adapter. */
  execute: (sql: string) => Promise<void>
}

const signal = new AbortController().signal
const total = { exactUpTo: 1000, maxAgeMs: 1000 }
const secret = 'Hidden Name'
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

  suite('a mail address is taken once, by create and by update', async (t, _adapter, repo) => {
    const email = 'taken@example.org'
    const first = await repo.insert(newUser({ email }), signal)
    const other = newUser()
    const id = await repo.insert(other, signal)
    const refused = {
      kind: 'already_exists',
      reason: 'USER_ALREADY_EXISTS',
      metadata: { email },
    }
    t.match(await failure(repo.insert(newUser({ email }), signal)), refused)
    t.match(await failure(repo.update(id, { name: 'New', email }, signal)), refused)
    t.strictSame(await repo.find(id, signal), { id, ...other }, 'nothing of it was stored')
    t.equal((await repo.update(first, { email }, signal))?.id, first, 'its own is not taken')
  })

  suite('mail addresses that differ in any byte are different ones', async (t, _adapter, repo) => {
    const emails = ['jose', 'josé', 'jose\u0301', 'Jose', 'JOSE', 'joße', 'josse']
    for (const local of emails)
      await repo.insert(newUser({ email: `${local}@example.org` }), signal)
    t.equal(await repo.count(signal), emails.length)
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
    t.strictSame(
      answers.map((answer) => answer && triple(answer)),
      writes,
    )
    const last = await repo.find(id, signal)
    t.ok(last && writes.some((write) => isDeepStrictEqual(write, triple(last))), inspect(last))
  })

  suite('a write whose check throws changes nothing and fails with that', async (t, _a, repo) => {
    const user = newUser()
    const id = await repo.insert(user, signal)
    const refused = new DomainError({ kind: 'aborted', reason: 'NO', message: 'no' })
    const seen: unknown[] = []
    function check(found: unknown): never {
      seen.push(found)
      throw refused
    }
    t.equal(await failure(repo.update(id, { name: 'B' }, signal, check)), refused)
    t.equal(await failure(repo.delete(id, signal, check)), refused)
    t.strictSame(seen, [
      { id, ...user },
      { id, ...user },
    ])
    t.equal(await repo.update(id + 1n, { name: 'B' }, signal, check), undefined)
    t.equal(await repo.delete(id + 1n, signal, check), false)
    t.equal(seen.length, 2, 'nobody is there to check')
    t.strictSame(await repo.find(id, signal), { id, ...user })
  })

  suite('of 40 concurrent writes that want the same state one succeeds', async (t, _a, repo) => {
    const id = await repo.insert(newUser({ name: 'first' }), signal)
    const refused = new DomainError({ kind: 'aborted', reason: 'NO', message: 'no' })
    function check({ name }: UserFields): void {
      if (name !== 'first') throw refused
    }
    const results = await Promise.allSettled(
      Array.from({ length: 40 }, (_, i) => repo.update(id, { name: `n${i}` }, signal, check)),
    )
    const [winner, ...others] = results.filter(({ status }) => status === 'fulfilled')
    t.ok(winner)
    t.equal(others.length, 0)
    for (const result of results) if (result.status === 'rejected') t.equal(result.reason, refused)
    t.equal(await repo.delete(id, signal, ({ name }) => t.not(name, 'first')), true)
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
    t.ok(results.some((result) => result.status === 'fulfilled'))
    const left = await repo.list({ after: 0n, limit: 3 }, signal)
    t.equal(new Set(left.map(({ email }) => email)).size, 2)
  })

  suite('creates of an address that is being deleted succeed once', async (t, _adapter, repo) => {
    const email = 'again@example.org'
    let last = await repo.insert(newUser({ email }), signal)
    for (let round = 0; round < 20; round += 1) {
      const [deleted, ...created] = await Promise.allSettled([
        repo.delete(last, signal),
        ...Array.from({ length: 9 }, () => repo.insert(newUser({ email }), signal)),
      ])
      t.match(deleted, { value: true })
      for (const result of created) {
        if (result.status === 'fulfilled') last = result.value
        else if (!isTaken(result.reason)) t.fail(inspect(result.reason))
      }
      if (created.every(({ status }) => status === 'rejected'))
        last = await repo.insert(newUser({ email }), signal)
      t.equal(await repo.count(signal), 1)
    }
  })

  suite(
    'a transaction that fails leaves nothing behind, nor takes others with it',
    async (t, a) => {
      const db = await started(a.open())
      t.teardown(() => db.close())
      const begun = Promise.withResolvers<void>()
      const failing = Promise.withResolvers<void>()
      const transaction = failure(
        db.tx(signal, async ({ users }) => {
          await users.insert(newUser())
          begun.resolve()
          await failing.promise
        }),
      )
      await begun.promise
      const other = openRepo(db).insert(newUser(), signal)
      const reason = new Error('no more')
      failing.reject(reason)
      t.equal(await transaction, reason)
      const id = await other
      const left = await openRepo(db).list({ after: 0n, limit: 3 }, signal)
      t.strictSame(
        left.map((user) => user.id),
        [id],
      )
    },
  )

  suite('an update changes the given fields only, also to what they are', async (t, _a, repo) => {
    const user = newUser({ phone: '123' })
    const id = await repo.insert(user, signal)
    const other = newUser({ phone: '456' })
    const otherId = await repo.insert(other, signal)
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
    t.strictSame(await repo.find(otherId, signal), { id: otherId, ...other })
    t.equal(await repo.delete(id, signal), true)
    t.strictSame(await repo.find(otherId, signal), { id: otherId, ...other })
  })

  suite('the time of creation is the same instant in every time zone', async (t, _a, repo) => {
    const zone = process.env.TZ
    t.teardown(() => {
      if (zone === undefined) delete process.env.TZ
      else process.env.TZ = zone
    })
    // 02:30 is skipped in Berlin on that day; the last has no fraction of a second.
    const times = ['2024-03-31T02:30:00.001Z', '2024-03-31T00:59:59.999Z', '1999-12-31T23:00:00Z']
    for (const time of times) {
      process.env.TZ = 'Europe/Berlin'
      const id = await repo.insert(newUser({ createdAt: new Date(time) }), signal)
      process.env.TZ = 'Pacific/Kiritimati'
      t.equal((await repo.find(id, signal))?.createdAt.getTime(), Date.parse(time), time)
    }
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

  suite('ids ascend, and that of a deleted user is not given again', async (t, adapter, repo) => {
    const first = await repo.insert(newUser(), signal)
    const second = await repo.insert(newUser(), signal)
    t.ok(second > first)
    await repo.delete(second, signal)
    const db = await started(adapter.open())
    t.teardown(() => db.close())
    t.ok((await openRepo(db).insert(newUser(), signal)) > second)
  })

  suite('lists are by ascending id, after an id or from an offset', async (t, _adapter, repo) => {
    const ids: bigint[] = []
    // By any other column they would come the other way round.
    for (const last of ['e', 'd', 'c', 'b', 'a'])
      ids.push(await repo.insert(newUser({ name: last, email: `${last}@example.org` }), signal))
    const list = async (window: Parameters<UserRepo['list']>[0]) =>
      (await repo.list(window, signal)).map(({ id }) => id)
    t.strictSame(await list({ offset: 0, limit: 2 }), ids.slice(0, 2))
    t.strictSame(await list({ offset: 3, limit: 5 }), ids.slice(3))
    t.strictSame(await list({ offset: 5, limit: 5 }), [])
    t.strictSame(await list({ offset: 214748364600, limit: 5 }), [])
    t.strictSame(await list({ after: 0n, limit: 9 }), ids)
    t.strictSame(await list({ after: ids[1] ?? 0n, limit: 2 }), ids.slice(2, 4))
    t.strictSame(await list({ after: ids[4] ?? 0n, limit: 2 }), [])
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
    const repo = openRepo(db)
    const calls = [
      repo.insert(newUser({ name: secret }), signal),
      repo.find(1n, signal),
      repo.list({ after: 0n, limit: 1 }, signal),
      repo.count(signal),
      repo.update(1n, { name: secret }, signal),
      repo.delete(1n, signal),
    ]
    for (const err of await Promise.all(calls.map(failure))) {
      t.match(err, { kind: 'unavailable', reason: 'DATABASE_UNAVAILABLE' })
      t.notMatch(shown(err), /\b(insert|select|update|delete)\b|Hidden/i)
    }
  })

  suite(
    'a statement that the database refuses shows no value to anyone',
    async (t, adapter, repo) => {
      await repo.count(signal)
      await adapter.execute('DROP TABLE users')
      const calls = [
        repo.insert(newUser({ name: secret }), signal),
        repo.update(1n, { name: secret }, signal),
      ]
      for (const err of await Promise.all(calls.map(failure))) {
        t.match(err, { kind: 'internal', reason: 'INTERNAL' })
        t.equal((err as Error).message, 'internal error')
        t.notMatch(shown(err), secret)
      }
    },
  )
}

export function openRepo(db: Database): UserRepo {
  return userRepo(db, { total })
}

/** An error as a log could show it: with its causes and all their fields, without where it arose. */
function shown(err: unknown): string {
  return inspect(err, { depth: null, showHidden: true }).replaceAll(/^ +at .*$/gm, '')
}

function triple({ name, email, phone }: UserFields): UserFields {
  return { name, email, phone }
}

function isTaken(err: unknown): boolean {
  return err instanceof DomainError && err.reason === 'USER_ALREADY_EXISTS'
}

async function failure(work: Promise<unknown>): Promise<unknown> {
  try {
    await work
  } catch (err) {
    return err
  }
  throw new Error('it did not fail')
}
