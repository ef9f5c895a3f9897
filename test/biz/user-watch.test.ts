import { test } from 'tap'
import type { Change, ChangeFeed, ChangeKind, Position, Watch } from '../../src/biz/changes.ts'
import type { User, UserRepo } from '../../src/biz/user.ts'
import { type UserEvent, userWatch } from '../../src/biz/user-watch.ts'

const signal = new AbortController().signal
const all = { from: undefined, snapshot: false, ids: [] }

function user(id: number, name = `user ${id}`): User {
  const createdAt = new Date(1_700_000_000_000)
  return { id: BigInt(id), name, email: `${id}@example.org`, phone: '', createdAt }
}

function change(seq: number, kind: ChangeKind, id: number): Change {
  return { seq: BigInt(seq), at: seq * 1000, kind, id: BigInt(id) }
}

/** A feed of these batches from place 10 on; the changes after the last are not kept. */
function feedOf(...batches: Change[][]) {
  const opened: (Position | undefined)[] = []
  let closed = 0
  const after: Watch['after'] = async ({ seq }) =>
    batches.find((batch) => (batch.at(-1)?.seq ?? 0n) > seq)
  const feed: ChangeFeed = {
    async open(from) {
      opened.push(from)
      return { start: from ?? { seq: 10n, at: 10_000 }, after, close: () => (closed += 1) }
    },
  }
  return { feed, opened, closed: () => closed }
}

type Repo = Pick<UserRepo, 'after' | 'findMany'>

/** These users, and the ids that were asked for. */
function repoOf(...users: User[]) {
  const asked: bigint[][] = []
  const repo: Repo = {
    after: async (id, limit) => users.filter((each) => each.id > id).slice(0, limit),
    async findMany(ids) {
      asked.push([...ids])
      return users.filter(({ id }) => ids.includes(id))
    },
  }
  return { repo, asked }
}

/** The events until the changes that are not kept, by kind and id, and what it fails with. */
async function told(events: AsyncIterable<UserEvent>): Promise<string[]> {
  const seen: string[] = []
  try {
    for await (const event of events) {
      const id = 'user' in event ? event.user.id : 'id' in event ? event.id : ''
      const seq = 'position' in event ? event.position.seq : ''
      seen.push(`${event.kind} ${id} ${seq}`)
    }
  } catch (err) {
    seen.push((err as { reason: string }).reason)
  }
  return seen
}

test('changes come in their order, with the users as they are', async (t) => {
  const { feed, closed } = feedOf(
    [change(11, 'created', 1), change(12, 'updated', 2)],
    [change(14, 'deleted', 3)],
  )
  const { repo, asked } = repoOf(user(1), user(2))
  const events = await userWatch(repo, feed)(all, signal)
  t.strictSame(await told(events), [
    'created 1 11',
    'updated 2 12',
    'deleted 3 14',
    'RESUME_TOKEN_EXPIRED',
  ])
  t.strictSame(asked, [[1n, 2n], []])
  t.equal(closed(), 1)
})

test('of a user who has gone only the deletion is told', async (t) => {
  const { feed } = feedOf(
    [change(11, 'created', 1), change(12, 'updated', 1)],
    [change(13, 'deleted', 1)],
  )
  const events = await userWatch(repoOf().repo, feed)(all, signal)
  t.strictSame(await told(events), ['deleted 1 13', 'RESUME_TOKEN_EXPIRED'])
})

test('a snapshot comes first, and ends with the place from where changes come', async (t) => {
  const users = Array.from({ length: 1001 }, (_, at) => user(at + 1))
  const { feed } = feedOf([change(11, 'updated', 5)])
  const events = await userWatch(repoOf(...users).repo, feed)({ ...all, snapshot: true }, signal)
  const seen = await told(events)
  t.equal(seen.length, 1004)
  t.strictSame(seen.slice(0, 2), ['present 1 ', 'present 2 '])
  t.strictSame(seen.slice(1000), [
    'present 1001 ',
    'synced  10',
    'updated 5 11',
    'RESUME_TOKEN_EXPIRED',
  ])
})

test('a watch of some users is told of these alone, in the snapshot too', async (t) => {
  const { feed } = feedOf(
    [change(11, 'updated', 1), change(12, 'updated', 2)],
    [change(13, 'updated', 1)],
  )
  const { repo, asked } = repoOf(user(1), user(2), user(3))
  const events = await userWatch(repo, feed)({ ...all, snapshot: true, ids: [2n] }, signal)
  t.strictSame(await told(events), [
    'present 2 ',
    'synced  10',
    'updated 2 12',
    'RESUME_TOKEN_EXPIRED',
  ])
  t.strictSame(asked, [[2n], [1n, 2n]], 'nothing is read for the changes of others')
})

test('a watch that is resumed has no snapshot', async (t) => {
  const { feed, opened } = feedOf([change(11, 'updated', 1), change(12, 'updated', 1)])
  const from = { seq: 11n, at: 11_000 }
  const events = await userWatch(repoOf(user(1)).repo, feed)(
    { ...all, from, snapshot: true },
    signal,
  )
  t.match(await told(events), ['updated 1 11', 'updated 1 12'])
  t.strictSame(opened, [from])
})

test('a position that is not known any more is refused when the watch begins', async (t) => {
  const feed: ChangeFeed = { open: async () => undefined }
  const from = { seq: 1n, at: 0 }
  t.match(await t.rejects(userWatch(repoOf().repo, feed)({ ...all, from }, signal)), {
    kind: 'failed_precondition',
    reason: 'RESUME_TOKEN_EXPIRED',
  })
})

test('watchers that keep up share one read of the users', async (t) => {
  const { feed } = feedOf([change(11, 'updated', 1)])
  const { repo, asked } = repoOf(user(1))
  const watch = userWatch(repo, feed)
  const watches = await Promise.all(Array.from({ length: 100 }, () => watch(all, signal)))
  const seen = await Promise.all(watches.map(told))
  t.ok(seen.every(([first]) => first === 'updated 1 11'))
  t.equal(asked.length, 1)
  await told(await watch(all, signal))
  t.equal(asked.length, 2, 'a later one reads anew')
})

test('a watch that its reader leaves is closed', async (t) => {
  const { feed, closed } = feedOf([change(11, 'updated', 1), change(12, 'updated', 1)])
  for await (const _ of await userWatch(repoOf(user(1)).repo, feed)(all, signal)) break
  t.equal(closed(), 1)
})
