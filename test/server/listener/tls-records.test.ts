import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { duplexPair } from 'node:stream'
import { text } from 'node:stream/consumers'
import tls from 'node:tls'
import { test, type Test } from 'tap'
import { dualProtocolListener } from '../../../src/server/listener/listener.ts'
import { loadTls } from '../../../src/server/listener/tls.ts'
import { certificates } from '../../help/certificates.ts'
import { patientLimits } from '../../help/limits.ts'

/** More than sockets take in while their reader sleeps. */
const large = Buffer.alloc(20_000_000, 'x')
const patience = () => ({ signal: AbortSignal.timeout(60_000) })

async function listen(t: Test): Promise<number> {
  const { certFile, keyFile } = certificates(t).issue('server')
  const files = { certFile, keyFile, minVersion: 'TLSv1.2', clientCaFile: '' } as const
  const listener = dualProtocolListener(
    (req, res) => {
      text(req).then(
        (body) => res.end(req.url === '/large' ? large : `small ${body}`),
        () => res.destroy(),
      )
    },
    patientLimits,
    { tls: loadTls(files, { unusable: (err) => t.fail(err), refused: (why) => t.fail(why) }) },
  )
  listener.on('clientError', (err: Error, socket: net.Socket) => {
    t.fail(err)
    socket.destroy()
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  t.teardown(() => listener.closeGracefully(0))
  return (listener.address() as AddressInfo).port
}

/** A client that sends its records when it is told to, all at once. */
async function tlsClient(t: Test, port: number) {
  const raw = net.connect(port, '127.0.0.1')
  raw.on('error', () => undefined)
  t.teardown(() => raw.destroy())
  const [inner, outer] = duplexPair()
  raw.pipe(outer)
  const held: Buffer[] = []
  let holding = false
  outer.on('data', (record: Buffer) => {
    if (holding) held.push(record)
    else raw.write(record)
  })
  const client = tls.connect({ socket: inner, rejectUnauthorized: false })
  client.on('error', () => undefined)
  await once(client, 'secureConnect', patience())
  /** Each text becomes a record of its own. */
  async function sendAtOnce(...texts: string[]): Promise<void> {
    holding = true
    for (const part of texts) {
      const before = held.length
      client.write(part)
      while (held.length === before) await once(outer, 'data', patience())
    }
    raw.write(Buffer.concat(held))
    holding = false
  }
  return { client, sendAtOnce }
}

test('over TLS, a request in several records is read while the answer before it waits', async (t) => {
  const { client, sendAtOnce } = await tlsClient(t, await listen(t))
  client.write('GET /large HTTP/1.1\r\nHost: x\r\n\r\n')
  await once(client, 'readable', patience())
  const head = 'POST /small HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\n'
  await sendAtOnce(head, 'he', 'llo')
  const answers = await text(client)
  t.ok(answers.length > large.length)
  t.match(answers.slice(-200), /200 OK[^]*small hello$/)
})
