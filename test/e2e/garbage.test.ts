import { once } from 'node:events'
import net from 'node:net'
import { test, type Test } from 'tap'
import { samplesOf, sum } from '../help/exposition.ts'
import { startProcess } from '../help/process.ts'
import { freshMysqlDatabase } from '../help/db.ts'

const request = 'GET /v1/users/1 HTTP/1.1\r\nHost: test\r\n\r\n'

/** A connection that makes call after call, each when it has the answer to the one before. */
async function dialled(address: string) {
  const { hostname, port } = new URL(`http://${address}`)
  const socket = net.connect(Number(port), hostname)
  await once(socket, 'connect')
  return {
    async call(times: number): Promise<void> {
      for (let made = 0; made < times; made += 1) {
        socket.write(request)
        await once(socket, 'data')
      }
    },
    close: () => socket.destroy(),
  }
}

/** By the service's own metrics: bytes in the old space, and how often all of it was collected. */
async function oldSpace(metrics: string) {
  const [spaces, collections] = await Promise.all([
    samplesOf(metrics, 'v8js_memory_heap_used_bytes'),
    samplesOf(metrics, 'v8js_gc_duration_seconds_count'),
  ])
  return {
    bytes: sum(spaces.filter(({ labels }) => labels.v8js_heap_space_name === 'old_space')),
    collections: sum(collections.filter(({ labels }) => labels.v8js_gc_type === 'major')),
  }
}

/** Bytes that each call leaves in the old space, where only full collections free them. */
async function leftByCall(t: Test, env: Record<string, string>): Promise<number> {
  const service = await startProcess(t, env)
  const { metrics } = service.lines.find(({ msg }) => String(msg).startsWith('serving')) ?? {}
  const many = await Promise.all(Array.from({ length: 500 }, () => dialled(service.http)))
  t.teardown(() => many.forEach((connection) => connection.close()))
  await Promise.all(many.map((connection) => connection.call(4)))
  const few = many.slice(0, 16)
  const left: number[] = []
  while (left.length < 3) {
    const before = await oldSpace(`http://${String(metrics)}`)
    await Promise.all(few.map((connection) => connection.call(250)))
    const after = await oldSpace(`http://${String(metrics)}`)
    if (before.collections === after.collections)
      left.push((after.bytes - before.bytes) / (few.length * 250))
  }
  return Math.min(...left)
}

test('what a call made is freed without a full collection, on SQLite', async (t) => {
  const left = await leftByCall(t, { SQLITE_PATH: `${t.testdir()}/users.db` })
  t.ok(left < 1000, `${left} bytes of each call are left`)
})

test('what a call made is freed without a full collection, on MySQL', async (t) => {
  const left = await leftByCall(t, { DB_DSN: await freshMysqlDatabase(t) })
  t.ok(left < 1000, `${left} bytes of each call are left`)
})
