import net from 'node:net'
import { test } from 'tap'
import { freshMysqlDatabase } from '../help/db.ts'
import { startProcess } from '../help/process.ts'
import { until } from '../help/until.ts'

const request = 'GET /v1/users HTTP/1.1\r\nHost: test\r\n\r\n'

/** What came of the calls of one connection. */
interface Calls {
  statuses: Map<string, number>
  /** Whether the connection ended with a call that has no answer. */
  lost: boolean
}

/** Calls again and again on one connection, until an answer says that it is the last. */
async function callUntilClosed(address: string, answered: () => void): Promise<Calls> {
  const [host, port] = address.split(':')
  const socket = net.connect(Number(port), host)
  const statuses = new Map<string, number>()
  let open = false
  let received = ''
  function call(): void {
    open = true
    socket.write(request)
  }
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    received += chunk
    const head = received.indexOf('\r\n\r\n') + 4
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(received)?.[1])
    if (head === 3 || received.length < head + length) return
    const status = received.slice(9, 12)
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
    answered()
    const last = /\r\nconnection: close/i.test(received.slice(0, head))
    received = ''
    open = false
    if (!last) call()
  })
  const { promise: closed, resolve } = Promise.withResolvers<void>()
  socket.once('connect', call)
  socket.on('error', () => undefined).once('close', () => resolve())
  await closed
  return { statuses, lost: open }
}

test('many connections are served in turn, and whatever they sent before a shutdown', async (t) => {
  const service = await startProcess(t, {
    DB_DSN: await freshMysqlDatabase(t),
    // A busy machine is no reason for a refusal.
    TIMEOUT: '60s',
    DB_POOL_WAIT: '30s',
  })
  const answers = Array.from({ length: 200 }, () => 0)
  const clients = answers.map((_, index) =>
    callUntilClosed(service.http, () => (answers[index] = (answers[index] ?? 0) + 1)),
  )
  // A connection that is not accepted yet would be reset by the shutdown.
  await until('an answer on each connection', () => Math.min(...answers) >= 1)
  // Those that were accepted first have had the service for themselves until here.
  const before = [...answers]
  const since = (counts: readonly number[]) =>
    counts.map((count, index) => count - (before[index] ?? 0))
  await until('ten more on each of them', () => Math.min(...since(answers)) >= 10)
  service.kill('SIGTERM')
  const calls = await Promise.all(clients)
  t.equal(await service.exit, 0)
  t.same(
    calls.filter(({ lost }) => lost),
    [],
    'none is lost',
  )
  t.same([...new Set(calls.flatMap(({ statuses }) => [...statuses.keys()]))], ['200'])
  const served = since(calls.map(({ statuses }) => statuses.get('200') ?? 0))
  t.ok(
    Math.max(...served) <= 4 * Math.min(...served),
    `between ${Math.min(...served)} and ${Math.max(...served)} calls each`,
  )
})
