import { DomainError, type ReasonOf } from '../biz/error.ts'
import type { NewUser, User, UserCheck, UserRepo } from '../biz/user.ts'
import type { ErrorReason } from '../gen/api/errors/v1/error_reason_pb.ts'
import { coalescedReads, together } from './coalesced-reads.ts'
import type { Database } from './database.ts'
import { UniqueViolation } from './error.ts'
import { groupedWrites } from './group-writes.ts'
import type { Stored, UserQueries } from './queries.ts'
import type { Reads } from './read-replica.ts'
import { sharedTotal, type TotalOptions } from './total.ts'

/**
 * Users in either database. Lists and their totals come from `reads`, which may lag behind; a user is
 * found in `db`, so that a client finds what it has written, through any process.
 */
export function userRepo(db: Database, total: TotalOptions, reads: Reads = db): UserRepo {
  const { coalesced, grouped } = db
  const one: UserRepo['find'] = (id, signal) => db.use(signal, ({ users }) => users.find(id))
  const counted = (signal: AbortSignal) => reads.use(signal, ({ users }) => users.count())
  const find =
    coalesced &&
    coalescedReads<bigint, User>(coalesced, {
      one,
      many: (ids, signal, shared) => db.use(signal, ({ users }) => users.findMany(ids, shared)),
      keyOf: ({ id }) => id,
    })
  const insert: UserRepo['insert'] = (user, signal) =>
    db.use(signal, ({ users }) => users.insert(user))
  const store =
    grouped &&
    groupedWrites<NewUser, bigint, Stored>(grouped, {
      one: insert,
      many: (rows, signal, shared) => db.use(signal, ({ users }) => users.insertMany(rows, shared)),
      keyOf: ({ email }) => email,
      resultOf: ({ id }) => id,
    })
  return {
    insert: (user, signal) => uniqueEmail(user.email, (store ?? insert)(user, signal)),
    find: find ?? one,
    list: (window, signal) =>
      reads.use(signal, ({ users }) =>
        'after' in window
          ? users.after(window.after, window.limit)
          : users.window(window.offset, window.limit),
      ),
    count: sharedTotal(coalesced ? together(coalesced, counted) : counted, total),
    // The read sees this update and no later one, because the transaction still holds the row.
    update: (id, changes, signal, check) =>
      uniqueEmail(
        changes.email ?? '',
        db.tx(signal, async ({ users }) => {
          if (check && !(await passes(users, id, check))) return undefined
          return (await users.update(id, changes)) ? users.find(id) : undefined
        }),
      ),
    delete: (id, signal, check) =>
      check === undefined
        ? db.use(signal, ({ users }) => users.delete(id))
        : db.tx(signal, async ({ users }) =>
            (await passes(users, id, check)) ? users.delete(id) : false,
          ),
  }
}

/** Locks the row for the write that follows, and has it checked; false where there is none. */
async function passes(users: UserQueries, id: bigint, check: UserCheck): Promise<boolean> {
  const found = await users.lock(id)
  if (found) check(found)
  return found !== undefined
}

async function uniqueEmail<T>(email: string, write: Promise<T>): Promise<T> {
  try {
    return await write
  } catch (err) {
    if (!(err instanceof UniqueViolation)) throw err
    throw new DomainError<ReasonOf<typeof ErrorReason>>({
      kind: 'already_exists',
      reason: 'USER_ALREADY_EXISTS',
      message: 'a user with this mail address exists',
      metadata: { email },
      cause: err,
    })
  }
}
