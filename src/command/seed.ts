import { openDatabase } from '../app/storage/storage.ts'
import type { Conf } from '../conf/conf.ts'
import { seedUsers } from '../data/seed.ts'

const ignore = () => undefined

const progressMs = 1000

/** Stores made-up users and prints how far it is about once a second. */
export async function seed(
  conf: Conf,
  asked: string | undefined,
  print: (text: string) => void,
): Promise<void> {
  const users = Number(asked)
  if (!Number.isSafeInteger(users) || users < 1)
    throw new Error(`--users: found ${asked ?? 'nothing'}, must be a whole number above 0`)
  const db = await openDatabase(conf.data.database)
  const begin = performance.now()
  let printedAt = 0
  function progress(stored: number): void {
    if (performance.now() - printedAt < progressMs && stored < users) return
    printedAt = performance.now()
    const rate = Math.round((stored * 1000) / (printedAt - begin))
    print(`${stored} of ${users} users, ${rate} per second\n`)
  }
  try {
    const usable = Promise.withResolvers<void>()
    void db
      .start({ changed: ignore, migrated: ignore, rejected: usable.reject })
      .then(usable.resolve, usable.reject)
    await usable.promise
    const run = Date.now().toString(36)
    const signal = new AbortController().signal
    await seedUsers(db, { users, run, now: () => new Date(), progress, signal })
  } finally {
    await db.close()
  }
}
