import { DomainError } from '../biz/error.ts'
import type { UserRepo } from '../biz/user.ts'
import type { Database } from './database.ts'
import { UniqueViolation } from './error.ts'

/** Users in either database. */
export function userRepo(db: Database): UserRepo {
  return {
    insert: (user) =>
      uniqueEmail(
        user.email,
        db.use((users) => users.insert(user)),
      ),
    find: (id) => db.use((users) => users.find(id)),
    list: (window) =>
      db.use((users) =>
        'after' in window
          ? users.after(window.after, window.limit)
          : users.window(window.offset, window.limit),
      ),
    count: () => db.use((users) => users.count()),
    // The read sees this update and no later one, because the transaction still holds the row.
    update: (id, changes) =>
      uniqueEmail(
        changes.email ?? '',
        db.tx(async (users) => ((await users.update(id, changes)) ? users.find(id) : undefined)),
      ),
    delete: (id) => db.use((users) => users.delete(id)),
  }
}

async function uniqueEmail<T>(email: string, write: Promise<T>): Promise<T> {
  try {
    return await write
  } catch (err) {
    if (!(err instanceof UniqueViolation)) throw err
    throw new DomainError({
      kind: 'already_exists',
      reason: 'USER_ALREADY_EXISTS',
      message: 'a user with this mail address exists',
      metadata: { email },
      cause: err,
    })
  }
}
