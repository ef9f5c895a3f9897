import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { createConnection, type RowDataPacket } from 'mysql2/promise'
import { test, type Test } from 'tap'
import { DomainError } from '../../../src/biz/error.ts'
import type { User, UserRepo } from '../../../src/biz/user.ts'
import type { Database } from '../../../src/data/database.ts'
import { mysqlDatabase } from '../../../src/data/mysql/database.ts'
import { sqliteDatabase } from '../../../src/data/sqlite/database.ts'
import { unobserved } from '../../../src/data/statement-observer.ts'
import { freshSqlitePath, privateMysqlServer } from '../../help/db.ts'
import { started } from '../../help/started.ts'
import { openRepo } from '../contract.ts'

/** How many steps, and the seed that a failure printed: COALESCED_STEPS=100000 DATA_SEED=42. */
const steps = Number(process.env.COALESCED_STEPS ?? 2000)
const seed = Number(process.env.DATA_SEED ?? Date.now() % 2 ** 31)
/** Steps between two moments without a write, when both ways to read must agree. */
const round = Math.max(250, steps / 100)

const never = new AbortController().signal

/** Numbers below 1, the same ones for a seed (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed
  return function next() {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A user, with the names that its writes have given it in turn; undefined: it is deleted. */
interface Row {
  id: bigint
  names: (string | undefined)[]
  /** The last of them that is known to be stored. */
  stored: number
  isBusy: boolean
}

/** What a world does to a database beside its calls; gives when calls are served again. */
type Disturb = () => Promise<void>

interface World {
  /** Reads that share statements, and reads that do not. */
  repos: readonly UserRepo[]
  disturb?: Disturb
}

async function differential(t: Test, { repos, disturb }: World): Promise<void> {
  const random = randomNumbers(seed)
  const below = (limit: number) => Math.floor(random() * limit)
  const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T
  const rows: Row[] = []
  const open = new Set<Promise<void>>()
  let wrong = 0
  let found = 0

  function fail(message: string): void {
    if ((wrong += 1) <= 10) t.fail(message)
  }

  /** A call may fail so for what was done to the database, on connections that were open then, too. */
  function isExcused(err: unknown): boolean {
    return disturb !== undefined && err instanceof DomainError && err.kind === 'unavailable'
  }

  async function insert(): Promise<void> {
    const name = 'v0'
    const email = `${rows.length}-${below(2 ** 30)}@example.org`
    try {
      const id = await pick(repos).insert({ name, email, phone: '', createdAt: new Date() }, never)
      rows.push({ id, names: [name], stored: 0, isBusy: false })
    } catch (err) {
      if (!isExcused(err)) fail(`an insert failed with ${String(err)}`)
    }
  }

  async function write(row: Row): Promise<void> {
    if (row.isBusy || row.names.at(-1) === undefined) return
    row.isBusy = true
    const version = row.names.length
    const name = random() < 0.1 ? undefined : `v${version}`
    row.names.push(name)
    try {
      if (name === undefined) await pick(repos).delete(row.id, never)
      else await pick(repos).update(row.id, { name }, never)
      row.stored = version
    } catch (err) {
      if (!isExcused(err)) fail(`a write failed with ${String(err)}`)
    }
    row.isBusy = false
  }

  /** A read sees what was stored when it began, or what was written since. */
  async function find(row: Row | undefined, repo: UserRepo): Promise<void> {
    const id = row?.id ?? BigInt(2 ** 40 + below(1000))
    const controller = new AbortController()
    const reason = new Error('given up')
    const stored = row?.stored ?? 0
    if (random() < 0.2) setTimeout(() => controller.abort(reason), below(8))
    if (random() < 0.02) controller.abort(reason)
    try {
      const user = await repo.find(id, controller.signal)
      found += 1
      const allowed = row ? row.names.slice(stored) : [undefined]
      if (user && user.id !== id) fail(`${id} was asked for, and ${user.id} came`)
      if (!allowed.includes(user?.name))
        fail(`${id} was ${user?.name}, and not ${allowed.join(' or ')}`)
    } catch (err) {
      if (err !== reason && !isExcused(err)) fail(`a find failed with ${String(err)}`)
    }
  }

  async function step(): Promise<void> {
    const kind = random()
    if (rows.length === 0 || kind < 0.05) return insert()
    const row = pick(rows)
    if (kind < 0.2) return write(row)
    // Some users are asked for by many at once.
    const asked = kind < 0.5 ? rows.at(-1) : kind < 0.95 ? row : undefined
    await find(asked, pick(repos))
  }

  for (let at = 1; at <= steps; at += 1) {
    const work = step().finally(() => open.delete(work))
    open.add(work)
    if (open.size > 60) await Promise.race(open)
    if (random() < 0.2) await turn()
    if (at % round === 0 || at === steps) {
      await disturb?.()
      await Promise.all(open)
      await agree(t, repos, rows)
    }
  }
  t.equal(wrong, 0)
  t.ok(found > steps / 4, `${found} finds were answered`)
}

/** Without a write under way, both ways to read give the same. */
async function agree(t: Test, repos: readonly UserRepo[], rows: Row[]): Promise<void> {
  const some = rows.slice(-200)
  const read = (repo: UserRepo) => Promise.all(some.map(({ id }) => answered(repo, id)))
  const [one = [], other = []] = await Promise.all(repos.map(read))
  const differing = one.filter((user, at) => !isSame(user, other[at]))
  t.equal(differing.length, 0, `${some.length} users are the same by both ways to read`)
}

/** Reads again while the connections that have been killed are not known to be. */
async function answered(repo: UserRepo, id: bigint): Promise<User | undefined> {
  for (;;) {
    try {
      return await repo.find(id, never)
    } catch (err) {
      if (!(err instanceof DomainError && err.kind === 'unavailable')) throw err
      await sleep(5)
    }
  }
}

function isSame(one: User | undefined, other: User | undefined): boolean {
  return one?.id === other?.id && one?.name === other?.name
}

test(`shared reads give what single ones do, on SQLite (DATA_SEED=${seed})`, async (t) => {
  const db = await started(sqliteDatabase(freshSqlitePath(t)))
  t.teardown(() => db.close())
  await differential(t, { repos: [openRepo({ ...db, coalesced: unobserved }), openRepo(db)] })
})

test(`shared reads give what single ones do, whatever becomes of the server (DATA_SEED=${seed})`, async (t) => {
  const server = await privateMysqlServer(t)
  const pool = { size: 5, maxWaiting: 1024, waitMs: 10_000 }
  const open = async (coalesceReads: boolean) => {
    const db = await started(mysqlDatabase({ source: server.dsn, pool, coalesceReads }))
    t.teardown(() => db.close())
    return db
  }
  const databases = [await open(true), await open(false)]
  t.ok(databases[0]?.coalesced && !databases[1]?.coalesced)
  let disturbances = 0

  async function disturb(): Promise<void> {
    disturbances += 1
    if (disturbances % 4 !== 2) return killConnections(server.dsn)
    await server.end('SIGKILL')
    server.start()
    for (const db of databases) await serves(db)
  }

  await differential(t, { repos: databases.map(openRepo), disturb })
  t.ok(disturbances >= steps / round)
})

async function killConnections(dsn: string): Promise<void> {
  const admin = await createConnection(dsn)
  const [rows] = await admin.query<RowDataPacket[]>(
    "SELECT id FROM information_schema.processlist WHERE id != CONNECTION_ID() AND user = 'root'",
  )
  for (const { id } of rows) await admin.query(`KILL ${id}`).catch(() => undefined)
  await admin.end()
}

/** Waits until a database that was down is used again. */
async function serves(db: Database): Promise<void> {
  for (;;) {
    const count = await db.use(never, ({ users }) => users.count()).catch(() => undefined)
    if (count !== undefined) return
    await sleep(20)
  }
}
