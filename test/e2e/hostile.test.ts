import { readFileSync } from 'node:fs'
import http2 from 'node:http2'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { test, type Test } from 'tap'
import { freshSqlitePath } from '../help/db.ts'
import { type ServiceProcess, startProcess } from '../help/process.ts'

const json = 'Host: x\r\nContent-Type: application/json\r\n'

function dial(addr: string, bytes: string | Buffer = ''): net.Socket {
  const [host, port] = addr.split(':')
  const socket = net.connect(Number(port), host)
  socket.on('error', () => undefined)
  if (bytes.length > 0) socket.write(bytes)
  return socket
}

/** Reads what the service answers until it closes; a reset ends the reading and is no failure of ours. */
function answerTo(socket: net.Socket): Promise<string> {
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
  return new Promise((resolve) => socket.on('close', () => resolve(text)))
}

/** Calls as an ordinary client does, all the while; gives how many calls failed and the slowest. */
function ordinaryClient({ rest }: ServiceProcess) {
  const stop = new AbortController()
  let calls = 0
  let slowestMs = 0
  const failures: unknown[] = []
  async function call(): Promise<void> {
    while (!stop.signal.aborted) {
      const begin = performance.now()
      try {
        const response = await fetch(`${rest}/v1/users?page_size=1`)
        await response.text()
        if (response.status !== 200) failures.push(response.status)
      } catch (err) {
        failures.push(err)
      }
      calls += 1
      slowestMs = Math.max(slowestMs, performance.now() - begin)
      await sleep(10)
    }
  }
  const running = call()
  return async () => {
    stop.abort()
    await running
    return { calls, failures, slowestMs }
  }
}

/** Resident memory in MiB, as Linux tells it. */
function residentMiB(pid: number): number {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1])
  return (pages * 4096) / 1024 / 1024
}

async function withOthersServed(
  t: Test,
  attack: (service: ServiceProcess) => Promise<void>,
): Promise<void> {
  const service = await startProcess(t, { SQLITE_PATH: freshSqlitePath(t) })
  const before = residentMiB(service.pid)
  const stop = ordinaryClient(service)
  const attacked = await attack(service).then(
    () => undefined,
    (err: unknown) => err ?? new Error('the attack failed'),
  )
  await sleep(500)
  const { calls, failures, slowestMs } = await stop()
  t.equal(attacked, undefined, 'the attack went as planned')
  t.strictSame(failures, [], 'others are served')
  t.ok(calls > 0)
  const grown = residentMiB(service.pid) - before
  t.comment(
    `${calls} calls of others, the slowest ${slowestMs.toFixed(0)} ms; ${grown.toFixed(0)} MiB more`,
  )
  // V8 keeps some of what it has taken; a leak of these attacks would be far above.
  t.ok(grown < 250, `${grown} MiB`)
}

test('10,000 idle connections and as many half prefaces disturb nobody', (t) =>
  withOthersServed(t, async ({ http, grpc }) => {
    const sockets: net.Socket[] = []
    for (let i = 0; i < 10_000; i += 1) {
      sockets.push(dial(i % 2 ? http : grpc, i % 4 < 2 ? '' : 'PR'))
      if (i % 250 === 0) await sleep(5)
    }
    await sleep(1000)
    for (const socket of sockets) socket.resetAndDestroy()
  }))

test('clients that send one byte at a time disturb nobody', (t) =>
  withOthersServed(t, async ({ http, grpc }) => {
    const request = `POST /v1/users HTTP/1.1\r\n${json}Content-Length: 20\r\n\r\n{`
    const sockets = Array.from({ length: 200 }, (_, i) => dial(i % 2 ? http : grpc))
    for (const byte of request.slice(0, 60)) {
      for (const socket of sockets) socket.write(byte)
      await sleep(30)
    }
    for (const socket of sockets) socket.destroy()
  }))

test('streams that are reset as fast as they are opened disturb nobody', (t) =>
  withOthersServed(t, async ({ rpc }) => {
    const sessions = Array.from({ length: 4 }, () => http2.connect(rpc))
    for (const session of sessions) session.on('error', () => undefined)
    for (let round = 0; round < 100; round += 1) {
      for (const session of sessions) {
        for (let i = 0; i < 50 && !session.closed && !session.destroyed; i += 1) {
          const stream = session.request({
            ':method': 'POST',
            ':path': '/api.user.v1.User/ListUsers',
            'content-type': 'application/json',
          })
          stream.on('error', () => undefined)
          stream.close(http2.constants.NGHTTP2_CANCEL)
        }
      }
      await sleep(2)
    }
    for (const session of sessions) session.destroy()
  }))

test('endless headers, a huge body and deep JSON are refused', (t) =>
  withOthersServed(t, async ({ http, grpc }) => {
    const flood = dial(
      http,
      `GET / HTTP/1.1\r\nHost: x\r\n${'X-Flood: 1234567890\r\n'.repeat(2000)}`,
    )
    t.match(await answerTo(flood), /^HTTP\/1\.1 431 /)

    const huge = dial(http, `POST /v1/users HTTP/1.1\r\n${json}Content-Length: ${2 ** 30}\r\n\r\n`)
    t.match(await answerTo(huge), /^HTTP\/1\.1 413 /)

    const endless = dial(
      grpc,
      `POST /api.user.v1.User/CreateUser HTTP/1.1\r\n${json}Transfer-Encoding: chunked\r\n\r\n`,
    )
    const ended = answerTo(endless)
    const chunk = `10000\r\n${' '.repeat(0x10000)}\r\n`
    for (let i = 0; i < 200 && endless.writable; i += 1) {
      endless.write(chunk)
      await sleep(1)
    }
    endless.destroySoon()
    t.match(await ended, /^HTTP\/1\.1 429 /)

    for (const [addr, path] of [
      [http, '/v1/users'],
      [grpc, '/api.user.v1.User/CreateUser'],
    ] as const) {
      const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
      const socket = dial(
        addr,
        `POST ${path} HTTP/1.1\r\n${json}Connection: close\r\nContent-Length: ${deep.length}\r\n\r\n${deep}`,
      )
      t.match(await answerTo(socket), /^HTTP\/1\.1 400 /)
    }
  }))

test('clients that vanish in the middle of a call disturb nobody', (t) =>
  withOthersServed(t, async ({ http, grpc }) => {
    const parts = [
      'GET /v1/use',
      `POST /v1/users HTTP/1.1\r\n${json}Content-Length: 100\r\n\r\n{"name`,
      'GET /v1/users HTTP/1.1\r\nHost: x\r\n\r\n',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x05',
      '\x16\x03\x01\x02\x00\x01\x00\x01',
    ]
    for (let round = 0; round < 100; round += 1) {
      const sockets = parts.map((part) =>
        dial(round % 2 ? http : grpc, Buffer.from(part, 'latin1')),
      )
      await sleep(5)
      for (const socket of sockets) socket.resetAndDestroy()
    }
  }))
