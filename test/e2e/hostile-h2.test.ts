import http2 from 'node:http2'
import type net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ServiceProcess } from '../help/process.ts'
import { dial } from './dial.ts'
import { heldMs, othersAreServedDuring } from './others-served.ts'

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
const listUsers = '/api.user.v1.User/ListUsers'
const { NGHTTP2_CANCEL } = http2.constants

const [DATA, HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION] = [
  0, 1, 3, 4, 6, 8, 9,
] as const
const [END_STREAM, END_HEADERS] = [1, 4] as const

function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.byteLength, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** A header of HPACK, by its text: literal, without indexing. */
function field(name: string, value: string): Buffer<ArrayBuffer> {
  const text = (part: string) => Buffer.concat([Buffer.from([part.length]), Buffer.from(part)])
  return Buffer.concat([Buffer.from([0]), text(name), text(value)])
}

const callHead = Buffer.concat([
  field(':method', 'POST'),
  field(':scheme', 'http'),
  field(':path', listUsers),
  field(':authority', 'x'),
  field('content-type', 'application/grpc'),
  field('te', 'trailers'),
])
const emptyMessage = Buffer.alloc(5)

/** SETTINGS that leave no room for any byte of an answer. */
const noWindow = frame(SETTINGS, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0]))
const settings = frame(SETTINGS, 0, 0)

function begin(addr: string, first = settings): net.Socket {
  return dial(addr, Buffer.concat([Buffer.from(PREFACE), first])).resume()
}

/** Writes the same again and again, as fast as the service takes it. */
async function flood(sockets: net.Socket[], bytes: Buffer): Promise<void> {
  const until = performance.now() + heldMs
  while (performance.now() < until) {
    for (const socket of sockets)
      if (socket.writable && !socket.writableNeedDrain) socket.write(bytes)
    await sleep(1)
  }
  for (const socket of sockets) socket.destroy()
}

function repeated(bytes: Buffer, times: number): Buffer {
  return Buffer.concat(Array.from({ length: times }, () => bytes))
}

async function resets({ rest, rpc }: ServiceProcess): Promise<void> {
  const sessions = [rest, rpc].map((url) => http2.connect(url))
  for (const session of sessions) session.on('error', () => undefined)
  for (let round = 0; round < 100; round += 1) {
    for (const session of sessions)
      for (let i = 0; i < 50 && !session.closed && !session.destroyed; i += 1) {
        const stream = session.request({
          ':method': 'POST',
          ':path': listUsers,
          'content-type': 'application/json',
        })
        stream.on('error', () => undefined)
        stream.close(NGHTTP2_CANCEL)
      }
    await sleep(2)
  }
  for (const session of sessions) session.destroy()
}

/** As above, but each stream has been served when it is reset: nothing waits, all is work. */
async function lateResets({ grpc }: ServiceProcess): Promise<void> {
  const cancel = Buffer.from([0, 0, 0, NGHTTP2_CANCEL])
  for (let round = 0; round < 20; round += 1) {
    const sockets = [begin(grpc), begin(grpc)]
    for (let stream = 1; stream < 400; stream += 2)
      for (const socket of sockets)
        socket.write(
          Buffer.concat([
            frame(HEADERS, END_HEADERS, stream, callHead),
            frame(DATA, END_STREAM, stream, emptyMessage),
            frame(RST_STREAM, 0, stream, cancel),
          ]),
        )
    await sleep(50)
    for (const socket of sockets) socket.resetAndDestroy()
  }
}

/** Headers that never end, in frames that each are small enough. */
async function continuations({ http, grpc }: ServiceProcess): Promise<void> {
  const junk = repeated(field('x-flood', 'x'.repeat(100)), 100)
  const sockets = [http, grpc, grpc].map((addr) => begin(addr))
  for (const socket of sockets) socket.write(frame(HEADERS, 0, 1, callHead))
  await flood(sockets, frame(CONTINUATION, 0, 1, junk))
}

/** The same without any payload, which no limit of size would see. */
async function emptyContinuations({ http, grpc }: ServiceProcess): Promise<void> {
  const sockets = [http, grpc, grpc].map((addr) => begin(addr))
  for (const socket of sockets) socket.write(frame(HEADERS, 0, 1, callHead))
  await flood(sockets, repeated(frame(CONTINUATION, 0, 1), 1000))
}

/** Frames that must be answered, by clients that read none of the answers. */
async function unreadAnswers(service: ServiceProcess, ask: Buffer): Promise<void> {
  const sockets = [service.http, service.grpc, service.grpc].map((addr) => begin(addr).pause())
  await flood(sockets, repeated(ask, 500))
}

async function emptyFrames({ grpc }: ServiceProcess): Promise<void> {
  const sockets = [begin(grpc), begin(grpc)]
  for (const socket of sockets) socket.write(frame(HEADERS, END_HEADERS, 1, callHead))
  await flood(sockets, repeated(frame(DATA, 0, 1), 1000))
}

async function windowUpdates({ grpc }: ServiceProcess): Promise<void> {
  const one = frame(WINDOW_UPDATE, 0, 0, Buffer.from([0, 0, 0, 1]))
  await flood([begin(grpc), begin(grpc)], repeated(one, 1000))
}

/** More calls than the service takes at once, whose answers have no window. */
async function zeroWindow({ grpc }: ServiceProcess): Promise<void> {
  const sockets = Array.from({ length: 8 }, () => begin(grpc, noWindow))
  for (let stream = 1; stream < 100; stream += 2) {
    for (const socket of sockets)
      socket.write(
        Buffer.concat([
          frame(HEADERS, END_HEADERS, stream, callHead),
          frame(DATA, END_STREAM, stream, emptyMessage),
        ]),
      )
    await sleep(20)
  }
  await sleep(heldMs)
  for (const socket of sockets) socket.resetAndDestroy()
}

/** Calls whose message never comes, more than the service takes at once. */
async function missingMessages({ grpc }: ServiceProcess): Promise<void> {
  const sockets = Array.from({ length: 20 }, () => begin(grpc))
  for (let stream = 1; stream < 200; stream += 2)
    for (const socket of sockets) socket.write(frame(HEADERS, END_HEADERS, stream, callHead))
  await sleep(heldMs)
  for (const socket of sockets) socket.resetAndDestroy()
}

async function vanish({ http, grpc }: ServiceProcess): Promise<void> {
  const head = frame(HEADERS, END_HEADERS, 1, callHead)
  const parts = [
    head.subarray(0, 5),
    head.subarray(0, 30),
    head,
    Buffer.concat([head, frame(DATA, 0, 1, emptyMessage.subarray(0, 3))]),
    Buffer.concat([head, frame(DATA, END_STREAM, 1, emptyMessage)]),
    Buffer.concat([head, frame(DATA, END_STREAM, 1, Buffer.from([0, 0xff, 0xff, 0xff, 0xff]))]),
  ]
  for (let round = 0; round < 50; round += 1) {
    const sockets = parts.map((part) => {
      const socket = begin(round % 4 ? grpc : http)
      socket.write(part)
      return socket
    })
    await sleep(round % 10)
    for (const socket of sockets) socket.resetAndDestroy()
  }
}

othersAreServedDuring(
  {
    'resets streams as fast as it opens them': resets,
    'resets streams in the packet that opens them': lateResets,
    'sends header blocks without an end': continuations,
    'sends empty CONTINUATION frames': emptyContinuations,
    'sends SETTINGS and reads no acknowledgement': (service) => unreadAnswers(service, settings),
    'sends PING and reads no answer': (service) =>
      unreadAnswers(service, frame(PING, 0, 0, Buffer.alloc(8))),
    'sends empty DATA frames': emptyFrames,
    'sends WINDOW_UPDATE of one byte': windowUpdates,
    'leaves no window for its answers': zeroWindow,
    'begins calls whose message never comes': missingMessages,
    'vanishes in the middle of each kind of call': vanish,
  },
  ['begins calls whose message never comes'],
)
