import type { ErrorReason } from '../gen/api/errors/v1/error_reason_pb.ts'
import type { Change, ChangeFeed, Position, Watch } from './changes.ts'
import { DomainError, type ReasonOf } from './error.ts'
import type { User, UserRepo } from './user.ts'

/** What a watcher is told. After one with a position a watch may be resumed. */
export type UserEvent =
  /** A user of the snapshot, and its end. */
  | { kind: 'present'; user: User }
  | { kind: 'synced'; position: Position }
  | { kind: 'created' | 'updated'; user: User; position: Position }
  | { kind: 'deleted'; id: bigint; position: Position }

/** What to watch. */
export interface WatchQuery {
  /** Undefined: from now on. */
  from: Position | undefined
  /** Whether every user comes first; not where a watch is resumed. */
  snapshot: boolean
  /** The users to watch; empty: all of them. */
  ids: readonly bigint[]
}

/** Users of one read of the snapshot. */
const pageSize = 500
/** A read for all watchers has a limit of its own, and not that of one of them. */
const maxReadMs = 10_000

type Repo = Pick<UserRepo, 'after' | 'findMany'>

/** Watches users: what happens to them, in the order of their history. */
export function userWatch(repo: Repo, feed: ChangeFeed) {
  const usersOf = latestUsers(repo)

  // One generator and not several in each other, since a watcher that waits keeps all of them.
  async function* events(
    watch: Watch,
    { from, snapshot, ids }: WatchQuery,
    signal: AbortSignal,
  ): AsyncGenerator<UserEvent> {
    const isWatched = watchedBy(ids)
    try {
      if (snapshot && from === undefined) {
        for await (const user of present(repo, ids, signal)) yield { kind: 'present', user }
        yield { kind: 'synced', position: watch.start }
      }
      for (let position = watch.start; ;) {
        const batch = (await watch.after(position)) ?? expired()
        position = batch.at(-1) ?? position
        const watched = batch.filter(({ id }) => isWatched(id))
        const users = watched.length === 0 ? undefined : await usersOf(batch)
        for (const change of watched) {
          const event = eventOf(change, users?.get(change.id))
          if (event) yield event
        }
      }
    } finally {
      watch.close()
    }
  }

  /**
   * Begins to watch: resolves when every later change is sure to be told. Each is told at least once,
   * those of one user in their order. Fails with RESUME_TOKEN_EXPIRED if changes after the position
   * are not kept, and so does the reading of the events, for a reader that is too slow.
   */
  return async function watch(
    query: WatchQuery,
    signal: AbortSignal,
  ): Promise<AsyncIterable<UserEvent>> {
    const opened = (await feed.open(query.from, signal)) ?? expired()
    return events(opened, query, signal)
  }
}

/** The users that are there. Changes are told from a place before, so that none is missed. */
async function* present(
  repo: Repo,
  ids: readonly bigint[],
  signal: AbortSignal,
): AsyncGenerator<User> {
  if (ids.length > 0) {
    yield* await repo.findMany(ids, signal)
    return
  }
  for (let after = 0n; ;) {
    const users = await repo.after(after, pageSize, signal)
    yield* users
    if (users.length < pageSize) return
    after = users.at(-1)?.id ?? after
  }
}

const everyUser = () => true

function watchedBy(ids: readonly bigint[]): (id: bigint) => boolean {
  if (ids.length === 0) return everyUser
  const wanted = new Set(ids)
  return (id) => wanted.has(id)
}

/** A user who is not there any more has been deleted by a later change, which is told. */
function eventOf(change: Change, user: User | undefined): UserEvent | undefined {
  const { seq, at, id, kind } = change
  const position = { seq, at }
  if (kind === 'deleted') return { kind, id, position }
  return user && { kind, user, position }
}

/** Reads the users of a batch of changes as they are now, once for all watchers that keep up. */
function latestUsers({ findMany }: Repo) {
  let latest: { batch: readonly Change[]; users: Promise<Map<bigint, User>> } | undefined

  async function read(batch: readonly Change[]): Promise<Map<bigint, User>> {
    const ids = batch.flatMap(({ id, kind }) => (kind === 'deleted' ? [] : [id]))
    const users = await findMany([...new Set(ids)], AbortSignal.timeout(maxReadMs))
    return new Map(users.map((user) => [user.id, user]))
  }

  return function usersOf(batch: readonly Change[]): Promise<Map<bigint, User>> {
    if (latest?.batch === batch) return latest.users
    const users = read(batch)
    latest = { batch, users }
    // The states are not kept for readers that come later, who shall have later ones.
    const forget = () => {
      if (latest?.batch === batch) latest = undefined
    }
    users.then(forget, forget)
    return users
  }
}

function expired(): never {
  throw new DomainError<ReasonOf<typeof ErrorReason>>({
    kind: 'failed_precondition',
    reason: 'RESUME_TOKEN_EXPIRED',
    message: 'changes after the resume_token are not kept: watch again with a snapshot',
  })
}
