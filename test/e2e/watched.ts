import { setTimeout as pause } from 'node:timers/promises'
import { createClient } from '@connectrpc/connect'
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node'
import type { Test } from 'tap'
import type { ChangeRow } from '../../src/data/changes/source.ts'
import type { Database } from '../../src/data/database.ts'
import { User, UserEvent_Kind } from '../../src/gen/api/user/v1/user_pb.ts'
import { decodeResumeToken } from '../../src/service/resume-token.ts'
import { until } from '../help/until.ts'

const signal = new AbortController().signal
const writers = 8
const rounds = 60
/** Between a change and its commit, in ms: while one transaction waits here, later ones are committed. */
const maxPauseMs = 15

interface Seen {
  seq: bigint
  id: bigint
  kind: UserEvent_Kind
}

const transports = [
  (baseUrl: string) => createGrpcTransport({ baseUrl }),
  (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: '2' }),
]

/**
 * Watches all users from a token, and resumes elsewhere when the stream breaks: `place` gives the URL to
 * go to. Ends with the signal.
 */
export function watcher(t: Test, place: () => string, kind: number) {
  const stop = new AbortController()
  const seen: Seen[] = []
  let resumeToken = ''
  let resumed = 0
  const begun = Promise.withResolvers<void>()

  async function watch(): Promise<void> {
    const client = createClient(User, (transports[kind % transports.length] ?? createGrpc)(place()))
    const request = resumeToken === '' ? { snapshot: true } : { resumeToken }
    for await (const event of client.watchUsers(request, { signal: stop.signal })) {
      if (event.kind === UserEvent_Kind.SYNCED) begun.resolve()
      if (event.resumeToken === '') continue
      resumeToken = event.resumeToken
      const seq = decodeResumeToken(resumeToken)?.seq ?? 0n
      if (event.kind !== UserEvent_Kind.SYNCED) seen.push({ seq, id: event.id, kind: event.kind })
    }
  }

  async function run(): Promise<void> {
    while (!stop.signal.aborted) {
      await watch().catch(() => undefined)
      resumed += 1
    }
  }
  const over = run()
  t.teardown(async () => {
    stop.abort()
    await over
  })
  return { seen, begun: begun.promise, resumed: () => resumed }
}

const createGrpc = (baseUrl: string) => createGrpcTransport({ baseUrl })

/** One of the eight: creates, updates and deletes users of its own, and takes every third write back. */
async function writer(db: Database, name: string, wrote: () => void): Promise<void> {
  const own: bigint[] = []
  for (let round = 0; round < rounds; round += 1) {
    const kind = round % 10 === 9 ? 'deleted' : round % 2 === 0 ? 'created' : 'updated'
    const known = own.at(-1)
    const taken = await db
      .tx(signal, async ({ users, userChanges }) => {
        const email = `${name}-${round}@example.org`
        let id = known ?? 0n
        if (kind === 'created' || known === undefined)
          id = await users.insert({ name, email, phone: '', createdAt: new Date() })
        else if (kind === 'updated') await users.update(id, { name: `${name} ${round}` })
        else await users.delete(id)
        await userChanges.insert([{ id, kind: known === undefined ? 'created' : kind }])
        await pause(Math.random() * maxPauseMs)
        if (round % 3 === 2) throw new RolledBack()
        return id
      })
      .catch((err: unknown) => {
        if (err instanceof RolledBack) return undefined
        throw err
      })
    if (taken !== undefined && kind === 'deleted' && known !== undefined) own.pop()
    else if (taken !== undefined && taken !== known) own.push(taken)
    wrote()
  }
}

class RolledBack extends Error {}

/** Has eight writers write at once; `half` is called when half of it is done. */
export async function write(db: Database, half: () => void): Promise<void> {
  let count = 0
  function wrote(): void {
    count += 1
    if (count === (writers * rounds) / 2) half()
  }
  await Promise.all(Array.from({ length: writers }, (_, at) => writer(db, `w${at}`, wrote)))
}

/** Every change that was committed, by the table. */
async function committed(db: Database): Promise<ChangeRow[]> {
  const rows = await db.use(signal, ({ userChanges }) =>
    userChanges.between(0n, 2n ** 62n, 1_000_000),
  )
  return rows.filter(({ kind }) => kind !== undefined)
}

/** Checks that each watcher has been told all of it, that of each user in order. */
export async function allTold(
  t: Test,
  db: Database,
  watchers: readonly ReturnType<typeof watcher>[],
): Promise<void> {
  const rows = await committed(db)
  const last = rows.at(-1)?.seq ?? 0n
  await until('the watchers to be told', async () =>
    watchers.every(({ seen }) => (seen.at(-1)?.seq ?? 0n) >= last),
  )
  const deleted = new Set(rows.filter(({ kind }) => kind === 'deleted').map(({ id }) => id))
  t.ok(rows.length > 200 && deleted.size > 5, `${rows.length} changes, ${deleted.size} deletes`)
  // Of a user who is gone at the time, only that is told.
  const certain = rows.filter(({ id, kind }) => kind === 'deleted' || !deleted.has(id))
  for (const { seen } of watchers) {
    const told = new Set(seen.map(({ seq }) => seq))
    t.strictSame(
      certain.filter(({ seq }) => !told.has(seq)).map(({ seq }) => seq),
      [],
      'none is missed',
    )
    const all = new Set(rows.map(({ seq }) => seq))
    t.ok(
      seen.every(({ seq }) => all.has(seq)),
      'none is told that was taken back',
    )
    for (const ofOne of Object.values(Object.groupBy(seen, ({ id }) => String(id))))
      t.strictSame(
        ofOne?.map(({ seq }) => seq),
        ofOne?.map(({ seq }) => seq).toSorted((a, b) => Number(a - b)),
        'in order',
      )
  }
}
