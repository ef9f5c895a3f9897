import { once } from 'node:events'
import http2 from 'node:http2'
import { test, type Test } from 'tap'
import { startApp } from '../help/app.ts'
import { dial } from './dial.ts'

const calls = 100
const paths = Array.from({ length: 5000 }, (_, index) => `p${index}x`).join(',')
const body = Buffer.from(JSON.stringify({ id: '1', user: { name: 'Large' }, updateMask: paths }))
const envelope = Buffer.alloc(5)
envelope.writeUInt32BE(body.byteLength, 1)

const json = { 'content-type': 'application/json' }
const rest = { port: 'rest', method: 'PATCH', path: '/v1/users/1' } as const
const rpc = { port: 'rpc', method: 'POST', path: '/api.user.v1.User/UpdateUser' } as const

/** Updates that are refused once their bodies have been read. */
const rows = {
  REST: { ...rest, headers: json, body },
  Connect: { ...rpc, headers: json, body },
}

type Row = Pick<RequestInit, 'method'> & { path: string; headers: object; body: Buffer }

/** A call that has sent all but its last byte. */
interface Withheld {
  isSent: Promise<unknown>
  /** Sends that byte, and calls back when there is an answer. */
  end: (answered: () => void) => void
}

function overHttp1(port: number, { method, path, headers, body }: Row): Withheld {
  const fields = { host: 'x', connection: 'close', 'content-length': body.length, ...headers }
  const lines = Object.entries(fields).map((line) => line.join(': '))
  const head = [`${method} ${path} HTTP/1.1`, ...lines, '', '']
  const socket = dial(`127.0.0.1:${port}`, head.join('\r\n'))
  return {
    isSent: new Promise((resolve) => socket.write(body.subarray(0, -1), resolve)),
    end: (answered) => socket.once('data', answered).write(body.subarray(-1)),
  }
}

function overHttp2(session: http2.ClientHttp2Session): Withheld {
  const headers = { 'content-type': 'application/grpc+json', te: 'trailers' }
  const stream = session.request({ ':method': 'POST', ':path': rpc.path, ...headers }).resume()
  const begin = Buffer.concat([envelope, body.subarray(0, -1)])
  return {
    isSent: new Promise((resolve) => stream.write(begin, resolve)),
    end: (answered) => stream.once('response', answered).end(body.subarray(-1)),
  }
}

/** Ends all calls and asks for the health right after; tells how many are answered before that is. */
async function answeredBefore(port: number, withheld: Withheld[]): Promise<number> {
  const health = dial(`127.0.0.1:${port}`)
  async function isHealthy(): Promise<void> {
    health.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n')
    await once(health, 'data')
  }
  await Promise.all(withheld.map(({ isSent }) => isSent))
  // What is sent is not yet read.
  for (let turn = 0; turn < 20; turn += 1) await isHealthy()
  let answered = 0
  const all = withheld.map(
    ({ end }) => new Promise<void>((resolve) => end(() => resolve(void (answered += 1)))),
  )
  await isHealthy()
  const before = answered
  await Promise.all(all)
  health.destroy()
  return before
}

const isFew = (t: Test, before: number, name: string) =>
  t.ok(before < calls / 10, `${name}: ${before} of ${calls} before it`)

test('a health check is answered before large messages that have arrived with it', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  for (const [name, row] of Object.entries(rows)) {
    const { port } = app[row.port]
    const withheld = Array.from({ length: calls }, () => overHttp1(port, row))
    isFew(t, await answeredBefore(app.rest.port, withheld), name)
  }
  const sessions = Array.from({ length: 10 }, () => http2.connect(app.rpc.url))
  const withheld = sessions.flatMap((session) =>
    Array.from({ length: calls / sessions.length }, () => overHttp2(session)),
  )
  isFew(t, await answeredBefore(app.rest.port, withheld), 'gRPC')
  for (const session of sessions) session.destroy()
})
