import { DomainError, type ReasonOf } from '../biz/error.ts'
import type {
  NewUser,
  User,
  UserCheck,
  UserFields,
  UserRepo,
  UserWindow,
  UserWrites,
} from '../biz/user.ts'
import type { ErrorReason } from '../gen/api/errors/v1/error_reason_pb.ts'
import { type Changed, notedWrites } from './changes/noted-writes.ts'
import type { NewChange } from './changes/source.ts'
import { coalescedReads, together, togetherBy } from './batch/coalesced-reads.ts'
import type { AtOnce, Database } from './database.ts'
import { UniqueViolation } from './error.ts'
import { groupedWrites } from './batch/group-writes.ts'
import { powersOfTwo } from './batch/powers-of-two.ts'
import type { Queries, Stored, UserQueries } from './queries.ts'
import type { Reads } from './read-replica.ts'
import type { Shared } from './statement-observer.ts'
import { sharedTotal, type TotalOptions } from './total.ts'

/** Told of each commit of changes, in time for readers in this process to be told soon. */
type Written = () => void

/** Records changes, as the last statement of a transaction. */
type Recording = (changes: readonly NewChange[]) => Promise<void>
type Work<T> = (queries: Queries, record: Recording) => Promise<T>

/** The writes of users: each records its change in its transaction. */
function recordedWrites(
  db: Database,
  { written, changed }: { written: Written; changed: Changed | undefined },
) {
  const noted = notedWrites(db, changed)

  function tx<T>(signal: AbortSignal, work: Work<T>, atOnce?: AtOnce<T>): Promise<T> {
    const done = noted(
      signal,
      (queries, note) =>
        work(queries, (changes) => {
          note(changes.map(({ id }) => id))
          return queries.userChanges.insert(changes)
        }),
      atOnce,
    )
    return done.then((result) => {
      written()
      return result
    })
  }
  return {
    insert: (user: NewUser, signal: AbortSignal) =>
      tx(
        signal,
        async ({ users }, record) => {
          const id = await users.insert(user)
          await record([{ id, kind: 'created' }])
          return id
        },
        ({ users }) => users.insertRecorded?.(user),
      ),
    insertMany: (rows: NewUser[], signal: AbortSignal, shared: Shared) =>
      tx(signal, async ({ users }, record) => {
        const stored = await users.insertMany(rows, shared)
        await record(stored.map(({ id }) => ({ id, kind: 'created' })))
        return stored
      }),
    // The read sees this update and no later one, because the transaction still holds the row.
    update: (
      id: bigint,
      changes: Partial<UserFields>,
      signal: AbortSignal,
      check: UserCheck | undefined,
    ) =>
      tx(signal, async ({ users }, record) => {
        if (check && !(await passes(users, id, check))) return undefined
        const updated = (await users.update(id, changes)) ? await users.find(id) : undefined
        if (updated) await record([{ id, kind: 'updated' }])
        return updated
      }),
    delete: (id: bigint, signal: AbortSignal, check: UserCheck | undefined) =>
      tx(signal, async ({ users }, record) => {
        if (check && !(await passes(users, id, check))) return false
        const isDeleted = await users.delete(id)
        if (isDeleted) await record([{ id, kind: 'deleted' }])
        return isDeleted
      }),
    apply: (writes: UserWrites, signal: AbortSignal) =>
      tx(signal, (queries, record) => applyAll(queries, writes, record)),
  }
}

/** Fails where not all of it can be done, so that nothing is. */
async function applyAll({ users }: Queries, writes: UserWrites, record: Recording): Promise<void> {
  const changes: NewChange[] = []
  for (const rows of powersOfTwo(writes.created))
    for (const { id } of await users.insertMany(rows)) changes.push({ id, kind: 'created' })
  // In one order, so that two transactions wait for each other in one direction only.
  const updates = writes.updated.toSorted((a, b) => (a.id < b.id ? -1 : 1))
  for (const { id, changes: fields } of updates) {
    if (!(await users.update(id, fields))) throw new UserGone()
    changes.push({ id, kind: 'updated' })
  }
  await record(changes)
}

class UserGone extends Error {
  override readonly name = 'UserGone'
}

/** Whether all writes were carried out; false where one of them does not fit what is stored. */
async function allFit(writes: Promise<void>): Promise<boolean> {
  try {
    await writes
    return true
  } catch (err) {
    if (err instanceof UniqueViolation || err instanceof UserGone) return false
    throw err
  }
}

interface UserRepoOptions {
  total: TotalOptions
  /** Where lists and their totals come from, which may lag behind. */
  reads?: Reads
  written?: Written
  changed?: Changed | undefined
}

/**
 * Users in either database. A user is found in `db`, so that a client finds what it has written, through
 * any process.
 */
export function userRepo(
  db: Database,
  { total, reads = db, written = () => undefined, changed }: UserRepoOptions,
): UserRepo {
  const { coalesced, grouped } = db
  const writes = recordedWrites(db, { written, changed })
  const one: UserRepo['find'] = (id, signal) => db.use(signal, ({ users }) => users.find(id))
  const counted = (signal: AbortSignal) => reads.use(signal, ({ users }) => users.count())
  const page = (window: UserWindow, signal: AbortSignal, shared?: Shared) =>
    reads.use(signal, ({ users }) =>
      'after' in window
        ? users.after(window.after, window.limit, shared)
        : users.window(window.offset, window.limit, shared),
    )
  const find =
    coalesced &&
    coalescedReads<bigint, User>(coalesced, {
      one,
      many: (ids, signal, shared) => db.use(signal, ({ users }) => users.findMany(ids, shared)),
      keyOf: ({ id }) => id,
    })
  const store =
    grouped &&
    groupedWrites<NewUser, bigint, Stored>(grouped, {
      one: writes.insert,
      many: writes.insertMany,
      keyOf: ({ email }) => email,
      resultOf: ({ id }) => id,
    })
  return {
    insert: (user, signal) => uniqueEmail(user.email, (store ?? writes.insert)(user, signal)),
    find: find ?? one,
    findMany: async (ids, signal) =>
      ids.length === 0 ? [] : db.use(signal, ({ users }) => users.findMany(ids)),
    findByEmails: async (emails, signal) =>
      emails.length === 0 ? [] : db.use(signal, ({ users }) => users.findByEmails(emails)),
    list: coalesced ? togetherBy(coalesced, windowName, page) : page,
    after: (id, limit, signal) => db.use(signal, ({ users }) => users.after(id, limit)),
    count: sharedTotal(coalesced ? together(coalesced, counted) : counted, total),
    update: (id, changes, signal, check) =>
      uniqueEmail(changes.email ?? '', writes.update(id, changes, signal, check)),
    delete: (id, signal, check) => writes.delete(id, signal, check),
    apply: (all, signal) => allFit(writes.apply(all, signal)),
  }
}

function windowName({ limit, ...begin }: UserWindow): string {
  return 'after' in begin ? `after ${begin.after}, ${limit}` : `${begin.offset}, ${limit}`
}

/** Locks the row for the write that follows, and has it checked; false where there is none. */
async function passes(users: UserQueries, id: bigint, check: UserCheck): Promise<boolean> {
  const found = await users.lock(id)
  if (found) check(found)
  return found !== undefined
}

function uniqueEmail<T>(email: string, write: Promise<T>): Promise<T> {
  return write.catch((err: unknown) => {
    if (!(err instanceof UniqueViolation)) throw err
    throw new DomainError<ReasonOf<typeof ErrorReason>>({
      kind: 'already_exists',
      reason: 'USER_ALREADY_EXISTS',
      message: 'a user with this mail address exists',
      metadata: { email },
      cause: err,
    })
  })
}
