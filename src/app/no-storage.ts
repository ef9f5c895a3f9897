import type { Storage } from './storage.ts'

/** For a process whose services are all in others: nothing is loaded, opened or waited for. */
export function noStorage(): Storage {
  const unused = () => Promise.reject(new Error('this process has no storage'))
  const db = {
    description: 'none',
    problems: () => ({ database: '', migrations: '' }),
    pools: () => [],
    start: async () => undefined,
    migrate: async () => [],
    use: unused,
    tx: unused,
    close: async () => undefined,
  }
  return { db, reads: db, pools: db.pools, start: db.start, close: db.close }
}
