import { once } from 'node:events'
import { type Test, test } from 'tap'
import { until } from '../../help/until.ts'
import { type Exchange, exchangeRegistry } from '../../../src/server/exchange/exchange.ts'
import {
  dial,
  emptySettings,
  getFrame,
  getRequest,
  handle,
  haveRead,
  listen,
  preface,
  type Response,
} from '../listener/listening.ts'

const malformedRequest = { status: 400, reason: 'MALFORMED_REQUEST' }

/** A frame of DATA for stream 0, which RFC 9113, 6.1, makes an error of the connection. */
const dataOfConnection = Buffer.from([0, 0, 1, 0, 0, 0, 0, 0, 0, 0x78])

/** The frame of a GET request for another stream. */
function getFrameOf(stream: number): Buffer {
  const frame = Buffer.from(getFrame)
  frame.writeUInt32BE(stream, 5)
  return frame
}

/** A listener whose requests wait for the test to answer them, and the exchanges that have ended. */
async function listenWithExchanges(t: Test) {
  const ended: Exchange[] = []
  const exchanges = exchangeRegistry('http', [{ end: (exchange) => ended.push(exchange) }])
  const waiting: Response[] = []
  const { listener, port, sockets } = await listen(
    t,
    handle((req, res) => {
      exchanges.open(req, res, performance.now())
      waiting.push(res)
      listener.emit('opened')
    }),
    {},
    { broken: (session) => exchanges.broken(session), cutting: exchanges.cutOff },
  )
  listener.on('clientError', (_err, socket) => {
    exchanges.refused(socket, malformedRequest)
    socket.destroy()
  })
  async function opened(count: number): Promise<void> {
    while (waiting.length < count) await once(listener, 'opened')
  }
  async function closed(res: Response | undefined): Promise<void> {
    if (res === undefined) return
    res.end()
    await once(res, 'close')
  }
  return { listener, port, sockets, exchanges, ended, waiting, opened, closed }
}

function reasons(ended: readonly Exchange[]): (string | undefined)[] {
  return ended.map(({ failure }) => failure?.reason)
}

test('a client that breaks HTTP/2 ends every exchange of its connection, whatever ended before', async (t) => {
  const { port, ended, waiting, opened, closed } = await listenWithExchanges(t)
  const frames = [1, 3, 5].map(getFrameOf)
  const client = dial(t, port, preface, emptySettings, ...frames)
  await opened(3)
  await closed(waiting[2])
  t.strictSame(reasons(ended), [undefined])
  client.socket.write(dataOfConnection)
  await Promise.all([once(waiting[0] as Response, 'close'), once(waiting[1] as Response, 'close')])
  t.strictSame(reasons(ended), [undefined, 'MALFORMED_REQUEST', 'MALFORMED_REQUEST'])
})

test('a client that breaks HTTP/2 after its last exchange is no exchange', async (t) => {
  const { port, ended, waiting, opened, closed } = await listenWithExchanges(t)
  const client = dial(t, port, preface, emptySettings, getFrame)
  await opened(1)
  await closed(waiting[0])
  client.socket.write(dataOfConnection)
  await client.ended()
  t.strictSame(reasons(ended), [undefined])
})

test('malformed bytes after a pipelined request take nothing from the exchange of that request', async (t) => {
  const { port, sockets, ended, waiting, opened, closed } = await listenWithExchanges(t)
  const client = dial(t, port, getRequest, getRequest)
  await opened(1)
  await closed(waiting[0])
  await opened(2)
  const garbage = 'garbage\r\n\r\n'
  client.socket.write(garbage)
  await haveRead(sockets, 0, 2 * getRequest.length + garbage.length)
  await closed(waiting[1])
  await client.ended()
  t.strictSame(reasons(ended), [undefined, undefined])
})

test('a stop is the cause of what it cuts off, and not of what clients have left before', async (t) => {
  const { listener, port, exchanges, ended, opened } = await listenWithExchanges(t)
  const clients = [
    dial(t, port, getRequest),
    dial(t, port, preface, emptySettings, getFrame),
    dial(t, port, getRequest),
    dial(t, port, preface, emptySettings, getFrame),
    // The rest of its body will not come.
    dial(t, port, 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf'),
  ]
  await opened(clients.length)
  for (const { socket } of clients.slice(0, 2)) socket.destroy()
  await until('the end of what clients have left', () => ended.length === 2)
  await listener.closeGracefully(1)
  const [gone, cut] = [
    { httpStatus: 0, failure: { status: 499, reason: 'CANCELED' } },
    { httpStatus: 0, failure: { status: 503, reason: 'SHUTTING_DOWN' } },
  ]
  t.match(ended.splice(0), [gone, gone, cut, cut, cut])
  // It has waited for a place until now.
  const arrival = { method: 'GET', url: '/', at: performance.now() }
  exchanges.lost('http', arrival as Parameters<typeof exchanges.lost>[1])
  t.match(ended, [cut])
})
