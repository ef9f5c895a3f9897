import { test, type Test } from 'tap'
import { findServer } from '../../scripts/mariadbd.ts'
import { freshMysqlDatabase, type PrivateServer, privateMysqlServer } from '../help/db.ts'
import { type ServiceProcess, spawnService, startProcess } from '../help/process.ts'
import { until } from '../help/until.ts'

const isMariadb = findServer()?.endsWith('mariadbd') ?? true

/** Two servers, of which the second follows the first; `pause` and `resume` hold replication up. */
async function replicated(t: Test) {
  const common = ['--log-bin=binlog', '--gtid-domain-id=0'].slice(0, isMariadb ? 2 : 1)
  const primary = await privateMysqlServer(t, ['--server-id=1', ...common])
  const replica = await privateMysqlServer(t, ['--server-id=2', ...common])
  await primary.execute("CREATE USER repl@'127.0.0.1' IDENTIFIED BY 'repl'")
  await primary.execute("GRANT REPLICATION SLAVE ON *.* TO repl@'127.0.0.1'")
  await follow(replica, primary)
  return {
    primary,
    replica,
    pause: () => replica.execute(isMariadb ? 'STOP SLAVE' : 'STOP REPLICA'),
    resume: () => replica.execute(isMariadb ? 'START SLAVE' : 'START REPLICA'),
  }
}

async function follow(replica: PrivateServer, { port }: PrivateServer): Promise<void> {
  const [change, prefix, extra] = isMariadb
    ? ['CHANGE MASTER TO', 'MASTER', '']
    : ['CHANGE REPLICATION SOURCE TO', 'SOURCE', ', GET_SOURCE_PUBLIC_KEY=1']
  const login = `${prefix}_USER='repl', ${prefix}_PASSWORD='repl'${extra}`
  await replica.execute(`${change} ${prefix}_HOST='127.0.0.1', ${prefix}_PORT=${port}, ${login}`)
  await replica.execute(isMariadb ? 'START SLAVE' : 'START REPLICA')
}

async function create({ rest }: ServiceProcess, name: string): Promise<string> {
  const response = await fetch(`${rest}/v1/users`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name, email: `${name}@example.org` }),
  })
  const { id } = (await response.json()) as { id: string }
  return id
}

async function listed({ rest }: ServiceProcess): Promise<string[]> {
  const response = await fetch(`${rest}/v1/users`)
  if (response.status !== 200) return [`${response.status} ${await response.text()}`]
  const { users } = (await response.json()) as { users: { name: string }[] }
  return users.map(({ name }) => name)
}

/** The list, once it is as wanted. */
async function listedSoon(service: ServiceProcess, want: string[]): Promise<string[]> {
  let names: string[] = []
  await until(`the list ${want.join()}`, async () => {
    names = await listed(service)
    return names.join() === want.join()
  })
  return names
}

test('lists come from the replica, and a user from the primary', async (t) => {
  const { primary, replica, pause, resume } = await replicated(t)
  const service = await startProcess(t, {
    DB_DSN: primary.dsn,
    DB_READ_DSN: replica.dsn,
    // Less than a call would wait for a replica that is gone.
    TIMEOUT: '10s',
  })
  await create(service, 'first')
  t.strictSame(await listedSoon(service, ['first']), ['first'])
  await t.test('the writer finds what it wrote while replication is late', async (t) => {
    await pause()
    const id = await create(service, 'second')
    const found = await fetch(`${service.rest}/v1/users/${id}`)
    t.match(await found.json(), { id, name: 'second' })
    t.strictSame(await listed(service), ['first'], 'the list is that of the replica')
    await resume()
    t.strictSame(await listedSoon(service, ['first', 'second']), ['first', 'second'])
  })
  await t.test('without the replica, lists come from the primary', async (t) => {
    await pause()
    await create(service, 'third')
    await replica.end('SIGKILL')
    const all = ['first', 'second', 'third']
    t.strictSame(await listed(service), all, 'at once')
    t.equal((await fetch(`${service.rest}/readyz`)).status, 200, 'and the service is ready')
  })
})

test('a replica that has not the tables yet costs nothing but its help', async (t) => {
  const service = await startProcess(t, {
    DB_DSN: await freshMysqlDatabase(t),
    DB_READ_DSN: await freshMysqlDatabase(t),
  })
  await create(service, 'alone')
  t.strictSame(await listed(service), ['alone'])
})

test('a replica of the embedded database is refused at start', async (t) => {
  const { exit, stderr } = spawnService(t, { DB_READ_DSN: 'mysql://app@127.0.0.1/users' })
  t.equal(await exit, 1)
  t.match(stderr(), /^user-service: .*data\.database\.read_dsn.*data\.database\.source.*\n$/)
})
