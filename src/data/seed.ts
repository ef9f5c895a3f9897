import type { NewUser } from '../biz/user.ts'
import type { Database } from './database.ts'

const batchSize = 1000
// Some batches in flight keep the server busy while the next ones are written here.
const lanes = 4

const names = [
  'Ada Lovelace',
  'Alan Turing',
  'Edsger Dijkstra',
  'Grace Hopper',
  '李小龙',
  'Zoë Çelik',
]

interface SeedOptions {
  users: number
  /** Makes the mail addresses of this run differ from those of others. */
  run: string
  now: () => Date
  /** Told how many users are stored, after each batch. */
  progress: (stored: number) => void
  signal: AbortSignal
}

/** Stores made-up users in batches, for trying the service at size. */
export async function seedUsers(db: Database, options: SeedOptions): Promise<void> {
  const { users, run, now, progress, signal } = options
  let begun = 0
  let stored = 0
  async function lane(): Promise<void> {
    while (begun < users) {
      const first = begun
      const size = Math.min(batchSize, users - first)
      begun += size
      const batch = Array.from({ length: size }, (_, i) => madeUp(first + i, run, now()))
      await db.use(signal, ({ users }) => users.insertMany(batch))
      stored += size
      progress(stored)
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

function madeUp(index: number, run: string, createdAt: Date): NewUser {
  return {
    name: `${names[index % names.length]} ${index}`,
    email: `seed-${run}-${index}@example.org`,
    phone: index % 3 === 0 ? '' : `+49 30 ${String(index).padStart(8, '0')}`,
    createdAt,
  }
}
