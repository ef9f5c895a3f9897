/** As `databases`, for a process whose services are all in others: nothing is opened or waited for. */
export function noStorage() {
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

async function unused(): Promise<never> {
  throw new Error('this process has no storage')
}
