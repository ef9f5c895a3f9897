import { once } from 'node:events'
import type http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { test, type Test } from 'tap'
import type { ListenerLimits, Repeat } from '../../../src/server/listener/arrival.ts'
import { dualProtocolListener } from '../../../src/server/listener/listener.ts'
import { patientLimits } from '../../help/limits.ts'
import { until } from '../../help/until.ts'

const silenceMs = 5000
const leaveMs = 500
const gibibyte = 2 ** 30
const head = `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${gibibyte}\r\n\r\n`
const chunk = Buffer.alloc(100_000)

/** A clock that stands still until it is moved. */
function stillClock() {
  const started = Promise.withResolvers<void>()
  const running = new Set<{ callback: () => void; ms: number }>()
  const repeat: Repeat = (callback, ms) => {
    const timer = { callback, ms }
    running.add(timer)
    started.resolve()
    return () => running.delete(timer)
  }
  /** Lets the timers of this period fire once. */
  async function pass(ms: number): Promise<void> {
    for (const timer of running) if (timer.ms === ms) timer.callback()
    await turn()
    await turn()
  }
  return { repeat, pass, started: started.promise }
}

/** A listener that refuses every POST before its body, and answers the rest. */
async function listen(t: Test, limits: Partial<ListenerLimits> = {}) {
  const clock = stillClock()
  const listener = dualProtocolListener(
    (req, res) => {
      const response = res as http.ServerResponse
      if (req.method !== 'POST') return void response.end('served')
      response.writeHead(403, { connection: 'close' }).end('refused')
    },
    { ...patientLimits, ...limits },
    { repeat: clock.repeat },
  )
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  t.teardown(() => listener.closeGracefully(0))
  const { port } = listener.address() as AddressInfo
  return { listener, port, clock }
}

type Listening = Awaited<ReturnType<typeof listen>>

/** A client that announces a GiB, is refused, and does not read its answer yet. */
async function refusedClient(t: Test, { listener, port, clock }: Listening) {
  const accepted = once(listener, 'connection')
  const client = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  client.on('error', () => undefined)
  t.teardown(() => client.destroy())
  client.write(head)
  const [socket] = (await accepted) as [net.Socket]
  await clock.started
  let sent = head.length
  /** Sends a part of the body, and waits until the server has read it. */
  async function send(): Promise<void> {
    client.write(chunk)
    sent += chunk.length
    await until('the server to read the part', () => socket.destroyed || socket.bytesRead >= sent)
  }
  return { client, socket, send }
}

test('a client that goes on sending after its refusal can still read it', async (t) => {
  const listening = await listen(t)
  const { client, socket, send } = await refusedClient(t, listening)
  for (let i = 0; i < 5; i += 1) {
    await send()
    await listening.clock.pass(silenceMs)
  }
  t.equal(socket.destroyed, false)
  let answer = ''
  client.setEncoding('latin1').on('data', (text: string) => (answer += text))
  await once(client, 'end')
  t.match(answer, /^HTTP\/1\.1 403 [^]*refused/)
})

test('a client that sends nothing more after its refusal is let go', async (t) => {
  const listening = await listen(t)
  const { socket } = await refusedClient(t, listening)
  await listening.clock.pass(silenceMs)
  t.equal(socket.destroyed, true)
})

test('a client that sends for ever after its refusal is cut off', async (t) => {
  const listening = await listen(t)
  const { socket, send } = await refusedClient(t, listening)
  for (let i = 0; i < 5; i += 1) {
    await send()
    await listening.clock.pass(silenceMs)
  }
  t.equal(socket.destroyed, false)
  await send()
  await listening.clock.pass(silenceMs)
  t.equal(socket.destroyed, true)
})

test('a connection that lingers makes way for a new one', async (t) => {
  const listening = await listen(t, { maxConnections: 1 })
  const { socket } = await refusedClient(t, listening)
  const client = net.connect(listening.port, '127.0.0.1')
  client.on('error', () => undefined)
  t.teardown(() => client.destroy())
  client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  const [answer] = (await once(client, 'data')) as [Buffer]
  t.match(answer.toString(), /^HTTP\/1\.1 200 [^]*served/)
  t.equal(socket.destroyed, true)
})

test('only so many connections linger at the same time', async (t) => {
  const listening = await listen(t, { maxConnections: 1000 })
  const first = await refusedClient(t, listening)
  const closed = once(first.socket, 'close')
  for (let i = 0; i < 256; i += 1) {
    t.equal(first.socket.destroyed, false)
    const options = { port: listening.port, host: '127.0.0.1', allowHalfOpen: true }
    const client = net.connect(options).on('error', () => undefined)
    t.teardown(() => client.destroy())
    client.write(head)
    await once(client, 'data')
  }
  await closed
})

for (const [when, order] of [
  ['lingers', 'before'],
  ['begins to linger', 'after'],
] as const)
  test(`a connection that ${when} ${order} the shutdown does not hold it`, async (t) => {
    const listening = await listen(t)
    const { listener, clock, port } = listening
    if (order === 'before') await refusedClient(t, listening)
    const undecided = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    undecided.on('error', () => undefined)
    t.teardown(() => undecided.destroy())
    // The connection is accepted and known as HTTP/1.1, its request is not complete.
    undecided.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await once(undecided, 'data')
    const closed = listener.closeGracefully(60_000)
    undecided.write(head)
    undecided.resume()
    await once(undecided, 'end')
    await clock.pass(leaveMs)
    await closed
    t.equal(listener.listening, false)
  })
