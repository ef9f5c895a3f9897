import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { test } from 'tap'
import { freshSqlitePath } from '../help/db.ts'
import { startProcess } from '../help/process.ts'

const most = '/proc/sys/net/core/somaxconn'
// More than node asks for by itself, 511.
const wanted = 800

/** The reason why the kernel cannot keep as many; '' if it can. */
function cannotKeep(): string {
  if (process.platform !== 'linux') return 'only Linux is known to keep as many'
  return Number(readFileSync(most, 'utf8')) < wanted ? `${most} is below ${wanted}` : ''
}

test(
  'a process that stands still loses no connection of a burst, on either port',
  { skip: cannotKeep() },
  async (t) => {
    const service = await startProcess(t, { SQLITE_PATH: freshSqlitePath(t) })
    service.kill('SIGSTOP')
    const signal = AbortSignal.timeout(60_000)
    const sockets: Socket[] = []
    t.teardown(() => {
      for (const socket of sockets) socket.destroy()
    })
    for (const addr of [service.http, service.grpc]) {
      const port = Number(addr.split(':').at(-1))
      const burst = Array.from({ length: wanted }, () => connect(port, '127.0.0.1'))
      sockets.push(...burst)
      await Promise.all(burst.map((socket) => once(socket, 'connect', { signal })))
    }
    t.equal(sockets.filter(({ readyState }) => readyState === 'open').length, 2 * wanted)
  },
)
