import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Test } from 'tap'
import type { Change, ChangeFeed } from '../../../src/biz/changes.ts'
import type { NewUser, UserRepo } from '../../../src/biz/user.ts'
import type { Clock } from '../../../src/data/changes/clock.ts'
import { changeFeed } from '../../../src/data/changes/feed.ts'
import { retention } from '../../../src/data/changes/retention.ts'
import type { UseChanges } from '../../../src/data/changes/source.ts'
import type { Database } from '../../../src/data/database.ts'
import { userRepo } from '../../../src/data/user.ts'

const total = { exactUpTo: 1000, maxAgeMs: 1000 }
const signal = new AbortController().signal
let made = 0

export interface Adapter {
  db: Database
  /** Runs one statement past the adapter. */
  execute: (sql: string) => Promise<void>
}

export type Suite = (title: string, run: (t: Test, adapter: Adapter) => Promise<void>) => void

export function newUser(fields: Partial<NewUser> = {}): NewUser {
  const email = `changes-${(made += 1)}@example.org`
  return { name: 'Ada', email, phone: '', createdAt: new Date(1_700_000_000_123), ...fields }
}

/** A sleep that is no longer than this, between two polls, ends by itself. */
const shortMs = 25

/** A clock that stands until it is stepped; sleepers wake when their time has come. */
export function fakeClock() {
  let time = 0
  let sleepers: { until: number; wake: () => void }[] = []
  const clock: Clock = {
    now: () => time,
    sleep(ms, signal) {
      if (ms <= shortMs) return nextTurn(undefined, { signal })
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      sleepers.push({ until: time + ms, wake: resolve })
      if (signal.aborted) reject(signal.reason as Error)
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
      return promise
    },
  }
  function step(ms: number): void {
    time += ms
    const due = sleepers.filter(({ until }) => until <= time)
    sleepers = sleepers.filter(({ until }) => until > time)
    for (const { wake } of due) wake()
  }
  return {
    clock,
    step,
    /** Steps until work has ended, which may begin to sleep at any time, and gives what it gives. */
    stepping: async <T>(ms: number, work: Promise<T>): Promise<T> => {
      const state = { isOver: false }
      const end = () => (state.isOver = true)
      work.then(end, end)
      while (!state.isOver) {
        step(ms)
        await nextTurn()
      }
      return work
    },
  }
}

export const historyOf =
  (db: Database): UseChanges =>
  (signal, work) =>
    db.use(signal, ({ userChanges }) => work(userChanges))

/** The repo of one process, and its feed. */
export function process(
  t: Test,
  db: Database,
  options: Partial<Parameters<typeof changeFeed>[0]> = {},
): { repo: UserRepo; feed: ChangeFeed } {
  const feed = changeFeed({ use: historyOf(db), pollMs: 20, gapMs: 5000, ...options })
  t.teardown(feed.close)
  return { repo: userRepo(db, { total, written: feed.written }), feed }
}

/** The next changes after the start of a watch, until there are so many. */
export async function take(
  watch: Awaited<ReturnType<ChangeFeed['open']>>,
  count: number,
): Promise<Change[]> {
  const taken: Change[] = []
  if (watch === undefined) throw new Error('it has not begun')
  while (taken.length < count) {
    const batch = await watch.after(taken.at(-1) ?? watch.start)
    if (batch === undefined) throw new Error('the changes are not kept')
    taken.push(...batch)
  }
  return taken
}

const said = ({ id, kind }: Change) => `${kind} ${id}`

/** What every storage adapter does for a history; run over each with a fresh database per test. */
export function changesContract(suite: Suite): void {
  suite('each kind of write is told, once and in its order', async (t, { db }) => {
    const { repo, feed } = process(t, db)
    const watch = await feed.open(undefined, signal)
    t.teardown(() => watch?.close())
    const a = await repo.insert(newUser(), signal)
    await repo.update(a, { name: 'B' }, signal)
    const known = newUser({ name: 'Known' })
    const b = await repo.insert(known, signal)
    t.equal(
      await repo.apply(
        {
          created: [newUser(), newUser(), newUser()],
          updated: [{ id: b, changes: { name: 'C' } }],
        },
        signal,
      ),
      true,
    )
    await repo.delete(b, signal)
    await repo.delete(a, signal, () => undefined)
    const seen = await take(watch, 9)
    t.strictSame(seen.map(said), [
      `created ${a}`,
      `updated ${a}`,
      `created ${b}`,
      `created ${b + 1n}`,
      `created ${b + 2n}`,
      `created ${b + 3n}`,
      `updated ${b}`,
      `deleted ${b}`,
      `deleted ${a}`,
    ])
    t.ok(seen.every(({ at }) => Math.abs(at - Date.now()) < 3_600_000))
  })

  suite('what changes nothing is not told', async (t, { db }) => {
    const { repo, feed } = process(t, db)
    const user = newUser()
    const id = await repo.insert(user, signal)
    const watch = await feed.open(undefined, signal)
    t.teardown(() => watch?.close())
    function refuse(): never {
      throw new Error('no')
    }
    await t.rejects(repo.insert(user, signal))
    await t.rejects(repo.update(id, { name: 'B' }, signal, refuse))
    await t.rejects(repo.delete(id, signal, refuse))
    await repo.update(id + 10n, { name: 'B' }, signal)
    await repo.delete(id + 10n, signal)
    t.equal(await repo.apply({ created: [newUser(), user], updated: [] }, signal), false)
    const gone = { id: id + 10n, changes: { name: 'B' } }
    t.equal(await repo.apply({ created: [newUser()], updated: [gone] }, signal), false)
    t.equal(await repo.count(signal), 1, 'all of it or nothing')
    await repo.update(id, { name: 'last' }, signal)
    t.strictSame((await take(watch, 1)).map(said), [`updated ${id}`])
  })

  suite('a watch resumes after a position, through any process', async (t, { db }) => {
    const one = process(t, db)
    const other = process(t, db)
    const first = await one.feed.open(undefined, signal)
    for (let count = 0; count < 5; count += 1) await one.repo.insert(newUser(), signal)
    const seen = await take(first, 5)
    first?.close()
    const resumed = await other.feed.open(seen[1], signal)
    t.strictSame(await take(resumed, 3), seen.slice(2))
    await one.repo.insert(newUser(), signal)
    const again = await other.feed.open(seen[4], signal)
    t.strictSame((await take(again, 1)).map(said), [`created ${(seen[4]?.id ?? 0n) + 1n}`])
    resumed?.close()
    again?.close()
  })

  suite('a position that is not in the table is not known', async (t, { db, execute }) => {
    const { repo, feed } = process(t, db)
    const watch = await feed.open(undefined, signal)
    await repo.insert(newUser(), signal)
    const [last] = await take(watch, 1)
    watch?.close()
    if (last === undefined) throw new Error('nothing is told')
    t.equal(await feed.open({ ...last, seq: last.seq + 1n }, signal), undefined)
    t.equal(await feed.open({ ...last, at: last.at - 1 }, signal), undefined, 'another database')
    await execute('DELETE FROM user_changes')
    t.equal(await feed.open(last, signal), undefined)
  })

  suite('a history that is another one than before ends its watches', async (t, adapter) => {
    const { repo, feed } = process(t, adapter.db)
    const watch = await feed.open(undefined, signal)
    await repo.insert(newUser(), signal)
    const [last] = await take(watch, 1)
    if (!watch || !last) throw new Error('nothing is told')
    // As after a failover to a server that has not got the last change.
    await adapter.execute(`DELETE FROM user_changes WHERE seq = ${last.seq}`)
    t.equal(await watch.after(last), undefined)
    watch.close()
    const anew = await feed.open(undefined, signal)
    await repo.insert(newUser(), signal)
    t.equal((await take(anew, 1)).length, 1)
    anew?.close()
  })

  suite(
    'a reader behind the memory reads the table, and is told when it is too late',
    async (t, a) => {
      const { repo, feed } = process(t, a.db, { maxChanges: 2 })
      const fast = await feed.open(undefined, signal)
      const slow = await feed.open(undefined, signal)
      for (let count = 0; count < 6; count += 1) {
        await repo.insert(newUser(), signal)
        await take(fast, count + 1)
      }
      t.strictSame(await take(slow, 6), await take(fast, 6))
      const lost = (await take(slow, 3))[2]
      await a.execute(`DELETE FROM user_changes WHERE seq <= ${lost?.seq}`)
      t.equal(await slow?.after(slow.start), undefined)
      fast?.close()
      slow?.close()
    },
  )

  suite('only a history that is watched is read', async (t, { db }) => {
    let reads = 0
    const use: UseChanges = (signal, work) => {
      reads += 1
      return historyOf(db)(signal, work)
    }
    const { clock, step } = fakeClock()
    const { repo, feed } = process(t, db, { use, clock })
    await repo.insert(newUser(), signal)
    t.equal(reads, 0)
    const controller = new AbortController()
    const watch = await feed.open(undefined, controller.signal)
    const reason = new Error('the client has gone')
    const waits = t.rejects(async () => void (await watch?.after(watch.start)), reason)
    controller.abort(reason)
    await waits
    const before = reads
    for (let count = 0; count < 5; count += 1) {
      step(1000)
      await repo.insert(newUser(), signal)
    }
    t.equal(reads, before, 'the abort has ended the watch')
  })

  suite('changes of others wait for the next poll, own ones for none', async (t, { db }) => {
    const { clock, stepping } = fakeClock()
    const { repo, feed } = process(t, db, { clock, pollMs: 1_000_000 })
    const others = process(t, db).repo
    const watch = await feed.open(undefined, signal)
    const first = await others.insert(newUser(), signal)
    const second = await repo.insert(newUser(), signal)
    t.strictSame((await take(watch, 2)).map(said), [`created ${first}`, `created ${second}`])
    const third = await others.insert(newUser(), signal)
    t.equal((await stepping(1_000_000, take(watch, 3)))[2]?.id, third)
    watch?.close()
  })

  suite('old changes are deleted, but for the last of them', async (t, { db, execute }) => {
    const { clock, stepping } = fakeClock()
    const { repo, feed } = process(t, db)
    for (let count = 0; count < 4; count += 1) await repo.insert(newUser(), signal)
    const watch = await feed.open(undefined, signal)
    const last = watch?.start
    watch?.close()
    const old = db.description.startsWith('SQLite') ? 'at - 7200000' : 'at - INTERVAL 2 HOUR'
    await execute(`UPDATE user_changes SET at = ${old}`)
    await repo.insert(newUser(), signal)
    const cleaned = Promise.withResolvers<void>()
    const use: UseChanges = (signal, work) =>
      historyOf(db)(signal, async (changes) => {
        const result = await work({
          ...changes,
          removeBefore: async (seq) => {
            await changes.removeBefore(seq)
            cleaned.resolve()
          },
        })
        return result
      })
    const { stop } = retention({
      use,
      keepMs: 3_600_000,
      failed: (err) => t.fail(String(err)),
      clock,
    })
    await stepping(500_000, cleaned.promise)
    stop()
    const rows = await db.use(signal, ({ userChanges }) => userChanges.between(0n, 2n ** 62n, 99))
    t.strictSame(
      rows.map(({ seq }) => seq),
      [last?.seq, (last?.seq ?? 0n) + 1n],
    )
    const resumed = await feed.open(rows[0], signal)
    t.equal((await take(resumed, 1)).length, 1, 'a reader that has missed nothing resumes')
    resumed?.close()
  })
}
