import { test, type Test } from 'tap'
import { createClient } from '@connectrpc/connect'
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { freshMysqlDatabase, freshSqlitePath } from '../help/db.ts'
import { type ServiceProcess, startProcess } from '../help/process.ts'

const users = Number(process.env.KILL_USERS ?? 400)
const clients = 64

type Create = (email: string) => Promise<unknown>

/** A client of each kind: REST, gRPC over h2c and Connect over HTTP/1.1. */
function creators({ rest, rpc }: ServiceProcess): Create[] {
  const grpc = createClient(User, createGrpcTransport({ baseUrl: rpc }))
  const connect = createClient(User, createConnectTransport({ baseUrl: rpc, httpVersion: '1.1' }))
  return [
    async (email) => {
      const response = await fetch(`${rest}/v1/users`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name: 'Kill', email }),
      })
      await response.text()
      if (response.status !== 200) throw new Error(`${response.status}`)
    },
    (email) => grpc.createUser({ name: 'Kill', email }),
    (email) => connect.createUser({ name: 'Kill', email }),
  ]
}

/** Creates users from many clients at once; gives the addresses of the creates that were answered. */
async function createAll(service: ServiceProcess, from: number, acknowledged: Set<string>) {
  const kinds = creators(service)
  let next = from
  async function client(index: number): Promise<void> {
    while (next < users) {
      const email = `kill-${(next += 1)}@example.org`
      try {
        await kinds[index % kinds.length]?.(email)
        acknowledged.add(email)
      } catch {
        // Not acknowledged: it may or may not be there.
        if (!alive(service)) return
      }
    }
  }
  await Promise.all(Array.from({ length: clients }, (_, index) => client(index)))
}

const dead = new WeakSet<ServiceProcess>()
const alive = (service: ServiceProcess) => !dead.has(service)

async function stored({ rest }: ServiceProcess): Promise<string[]> {
  const emails: string[] = []
  for (let token = ''; ;) {
    const response = await fetch(`${rest}/v1/users?page_size=100&page_token=${token}`)
    const page = (await response.json()) as { users: { email: string }[]; nextPageToken: string }
    emails.push(...page.users.map(({ email }) => email))
    token = page.nextPageToken
    if (token === '') return emails
  }
}

async function survives(t: Test, env: Record<string, string>): Promise<void> {
  const acknowledged = new Set<string>()
  const first = await startProcess(t, env)
  const half = setInterval(() => {
    if (acknowledged.size < users / 2) return
    clearInterval(half)
    dead.add(first)
    first.kill('SIGKILL')
  }, 5)
  await createAll(first, 0, acknowledged)
  t.equal(await first.exit, 'SIGKILL')
  t.ok(acknowledged.size >= users / 2)

  const second = await startProcess(t, env)
  await createAll(second, acknowledged.size + clients, acknowledged)
  const emails = await stored(second)
  const present = new Set(emails)
  t.equal(present.size, emails.length, 'none is there twice')
  t.same(
    [...acknowledged].filter((email) => !present.has(email)),
    [],
    'none is lost',
  )
  t.ok(present.size >= users / 2)
}

test('every create that was answered outlives a SIGKILL, once (SQLite)', (t) =>
  survives(t, { SQLITE_PATH: freshSqlitePath(t) }))

test('every create that was answered outlives a SIGKILL, once (MySQL)', async (t) =>
  survives(t, { DB_DSN: await freshMysqlDatabase(t) }))
