import type { ChangeFeed } from './changes.ts'
import type { User, UserRepo } from './user.ts'
import { userImport } from './user-import.ts'
import { userWatch } from './user-watch.ts'

/** The operations on many users, as userStreams makes them. */
export type UserStreams = ReturnType<typeof userStreams>

/** Users of one read of an export. */
const pageSize = 1000

/** What is done with many users in one call. `now` gives the time of creation. */
export function userStreams(repo: UserRepo, feed: ChangeFeed, now: () => Date) {
  return {
    watch: userWatch(repo, feed),
    import: userImport(repo, now),
    /** All users after an id, by ascending id, a page at a time; the pages are no snapshot together. */
    async *export(from: bigint, signal: AbortSignal): AsyncGenerator<User[]> {
      for (let after = from; ;) {
        const users = await repo.list({ after, limit: pageSize }, signal)
        yield users
        if (users.length < pageSize) return
        after = users.at(-1)?.id ?? after
      }
    },
  }
}
