// Lists by page, by token and with `total` on a million users, in both databases.
import { join } from 'node:path'
import { createConnection } from 'mysql2/promise'
import { testDatabase } from '../mariadb.ts'
import { run } from './command.ts'
import { startService, temporaryFolder } from './service.ts'

const root = join(import.meta.dirname, '../..')
const users = 1_000_000
const pageSize = 100
const repetitions = 5
const slowestAllowedMs = 1000
/** Longer than a count stays valid (`data.total.max_age`), so that it is made anew. */
const forgottenMs = 10_500

interface Page {
  nextPageToken: string
  total: number
  users: unknown[]
}

interface Measured {
  storage: string
  call: string
  times: number[]
}

async function list(url: string, query: string, times: number[]): Promise<Page> {
  const begin = performance.now()
  const response = await fetch(`${url}/v1/users?${query}`)
  const page = (await response.json()) as Page
  times.push(performance.now() - begin)
  if (response.status !== 200) throw new Error(`${query}: ${response.status}`)
  return page
}

async function repeated(url: string, query: string): Promise<number[]> {
  const times: number[] = []
  for (let left = repetitions; left > 0; left -= 1) {
    const page = await list(url, query, times)
    if (page.users.length !== pageSize) throw new Error(`${query}: ${page.users.length} users`)
  }
  return times
}

/** Every page by its token, from the first to the last. */
async function walk(url: string): Promise<number[]> {
  const times: number[] = []
  let seen = 0
  for (let token = ''; seen === 0 || token !== '';) {
    const page = await list(url, `page_size=${pageSize}&page_token=${token}`, times)
    seen += page.users.length
    token = page.nextPageToken
  }
  if (seen !== users) throw new Error(`the walk saw ${seen} users`)
  return times
}

async function measure(storage: string, env: Record<string, string>): Promise<Measured[]> {
  await run([process.execPath, 'src/start.js', 'seed', '--users', `${users}`], { cwd: root, env })
  // So that a machine on which a call takes more than its second gives a figure and no 504.
  await using service = await startService({ ...env, TIMEOUT: '60s' })
  const url = `http://${service.http}`
  const counted: number[] = []
  const { total } = await list(url, `page=1&page_size=${pageSize}`, counted)
  if (total !== users) throw new Error(`total is ${total}`)
  const last = `page=10000&page_size=${pageSize}`
  const results = [
    { call: 'page=1', times: await repeated(url, `page=1&page_size=${pageSize}`) },
    { call: 'page=10000', times: await repeated(url, last) },
    { call: 'token walk, all 10,000 pages', times: await walk(url) },
  ]
  const recounted: number[] = []
  await new Promise((resolve) => setTimeout(resolve, forgottenMs))
  await list(url, last, recounted)
  return [
    { call: 'page=1, first count', times: counted },
    { call: 'page=10000, new count', times: recounted },
    ...results,
  ].map((result) => ({ storage, ...result }))
}

function row({ storage, call, times }: Measured): string {
  const sorted = times.toSorted((a, b) => a - b)
  const figures = [sorted[0], sorted[Math.floor(sorted.length / 2)], sorted.at(-1)]
  const cells = [
    storage,
    call,
    `${times.length}`,
    ...figures.map((ms = Number.NaN) => ms.toFixed(1)),
  ]
  return `| ${cells.join(' | ')} |`
}

async function emptyMysqlDatabase(stack: AsyncDisposableStack): Promise<string> {
  const { dsn } = stack.use(await testDatabase())
  const connection = await createConnection(dsn)
  await connection.query('CREATE DATABASE million CHARACTER SET utf8mb4')
  await connection.end()
  return new URL('/million', dsn).href
}

/** Prints the figures; fails when a call took more than a second. */
export async function million(): Promise<string> {
  await using stack = new AsyncDisposableStack()
  const { path } = stack.use(temporaryFolder())
  const measured = [
    ...(await measure('MySQL or MariaDB', { DB_DSN: await emptyMysqlDatabase(stack) })),
    ...(await measure('SQLite', { SQLITE_PATH: join(path, 'million.db') })),
  ]
  console.log('\n| storage | call | calls | least ms | median ms | most ms |')
  console.log('| --- | --- | --- | --- | --- | --- |')
  for (const each of measured) console.log(row(each))
  const slowest = Math.max(...measured.flatMap(({ times }) => times))
  if (slowest > slowestAllowedMs) throw new Error(`the slowest call took ${slowest.toFixed(0)} ms`)
  return `the slowest call took ${slowest.toFixed(0)} ms`
}
