import { once } from 'node:events'
import net from 'node:net'
import { test, type Test } from 'tap'
import { startApp } from '../help/app.ts'
import { exchangeBytes } from './raw.ts'

const expect = 'Expect: 100-continue\r\n'
const end = 'Connection: close\r\n\r\n'
const host = 'Host: localhost\r\n'
const json = 'Content-Type: application/json\r\n'
const chunk = '2\r\n{}\r\n0\r\n\r\n'

/** What follows the request line's method and target, and the status of the answer. */
const rows: Record<string, [bytes: (path: string) => string, status: number]> = {
  'a transfer coding beside chunked is not implemented': [
    (path) =>
      `POST ${path} HTTP/1.1\r\n${host}${json}Transfer-Encoding: gzip, chunked\r\n${end}${chunk}`,
    501,
  ],
  'HTTP/2 in the text of HTTP/1.1 is a version that is not supported': [
    (path) => `GET ${path} HTTP/2.0\r\n${host}${end}`,
    505,
  ],
  'OPTIONS * is answered without content': [() => `OPTIONS * HTTP/1.1\r\n${host}${end}`, 204],
  'OPTIONS * without a Host is refused': [() => `OPTIONS * HTTP/1.1\r\n${end}`, 400],
  'GET * is no route': [() => `GET * HTTP/1.1\r\n${host}${end}`, 404],
}

for (const [title, [bytes, status]] of Object.entries(rows))
  test(`${title}, on both ports`, async (t) => {
    const { rest, rpc } = await startApp(t, { storage: 'sqlite' })
    const paths = [
      [rest.port, '/v1/users'],
      [rpc.port, '/api.user.v1.User/CreateUser'],
    ] as const
    for (const [port, path] of paths) {
      const answer = await exchangeBytes(port, bytes(path))
      t.equal(answer.status, status, answer.body)
      if (status >= 400) t.match(answer.body, /"message":"[^"]+"/)
      else t.equal(answer.body, '')
    }
  })

test('gRPC over HTTP/1.0, which has no trailers, gets a status in the headers', async (t) => {
  const { rpc } = await startApp(t, { storage: 'sqlite' })
  const frame = '\0\0\0\0\0'
  const head = `POST /api.user.v1.User/ListUsers HTTP/1.0\r\nContent-Type: application/grpc\r\nContent-Length: 5\r\n\r\n`
  const { headers } = await exchangeBytes(rpc.port, head + frame)
  t.match(headers.get('grpc-status'), /^[1-9]/)
})

test('a body is asked for by 100 Continue only where it is read', async (t) => {
  const { rest, rpc } = await startApp(t, { storage: 'sqlite' })
  const user = '{"name":"Ada","email":"ada@example.com"}'
  const ports = [
    [rest.port, '/v1/users'],
    [rpc.port, '/api.user.v1.User/CreateUser'],
  ] as const
  const told = (port: number, target: string, length: number) => {
    const head = `POST ${target} HTTP/1.1\r\n${host}${expect}${json}Content-Length: ${length}\r\n\r\n`
    return firstAnswer(t, port, head, user)
  }
  for (const [port, path] of ports) {
    t.match(await told(port, '/x', 100), { statuses: [404], text: /connection: close/i })
    t.match(await told(port, path, user.length), { statuses: [100] })
  }
  const large = await told(rest.port, '/v1/users', 2_000_000)
  t.match(large, { statuses: [413], text: /connection: close/i })
})

/** Sends a head, and the body once it is asked for; gives the status lines that came until then. */
async function firstAnswer(t: Test, port: number, head: string, body: string) {
  const socket = net.connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.write(head)
  const [first] = (await once(socket, 'data')) as [Buffer]
  let text = first.toString()
  if (text.startsWith('HTTP/1.1 100')) {
    socket.write(body)
    const [second] = (await once(socket, 'data')) as [Buffer]
    text += second.toString()
  }
  const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status))
  return { text, statuses }
}
