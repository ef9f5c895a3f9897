import { join } from 'node:path'
import { Readable } from 'node:stream'
import { ConnectError } from '@connectrpc/connect'
import { fallback, protobuf } from 'google-gax'
import { test } from 'tap'
import { eventsOf, type Row, serveStreams } from './serve-streams.ts'

const proto = join(import.meta.dirname, '../protos/test/rest/v1/streams.proto')
const gaxProtos = join(import.meta.dirname, '../../../node_modules/google-gax/build/protos')

type Stub = (request: object, metadata: object, options: object) => Readable

/** The method Watch of the client that Google's libraries use over REST. */
async function gaxWatch(port: number): Promise<(request: object) => Readable> {
  const root = new protobuf.Root()
  root.resolvePath = (origin, target) =>
    origin === '' ? target : join(gaxProtos, target.replace(/^.*?(?=google\/)/, ''))
  const service = (await root.load(proto)).lookupService('test.rest.v1.Streams')
  const auth = {
    getRequestHeaders: async () => new Headers(),
    async fetch(url: string, { method, headers }: RequestInit) {
      const { ok, status, body } = await fetch(url, { method, headers } as RequestInit)
      const readable = body && Readable.fromWeb(body as never)
      return { ok, status, body: readable, arrayBuffer: () => new Response(body).arrayBuffer() }
    },
  }
  const client = new fallback.GrpcClient({ auth: auth as never, fallback: 'rest' })
  const address = { servicePath: '127.0.0.1', port, protocol: 'http' }
  const stub = await client.createStub(service, address)
  return (request) => (stub.watch as unknown as Stub)(request, {}, {})
}

/** The texts that a client gets, and how its stream ends. */
async function read(stream: Readable, received: (count: number) => void = () => undefined) {
  const texts: string[] = []
  try {
    for await (const { text } of stream as AsyncIterable<Row>) received(texts.push(String(text)))
    return { texts, failed: false }
  } catch {
    return { texts, failed: true }
  }
}

test('google-gax reads every message of an array, and a failure as an error', async (t) => {
  const all = Array.from({ length: 500 }, (_, index) => `${index} "]} é€ ${'x'.repeat(index)}`)
  const both = Promise.withResolvers<void>()
  const { port } = await serveStreams(t, {
    async *watch({ room }) {
      if (room === 'none') return
      if (room === 'all') yield* eventsOf(...all)
      else yield* eventsOf('a', 'b')
      if (room !== 'broken') return
      // A stream of Node drops what was not read of it when it fails.
      await both.promise
      throw new ConnectError('broken')
    },
  })
  const watch = await gaxWatch(port)
  t.strictSame(await read(watch({ room: 'all' })), { texts: all, failed: false })
  t.strictSame(await read(watch({ room: 'none' })), { texts: [], failed: false })
  const broken = read(watch({ room: 'broken' }), (count) => count === 2 && both.resolve())
  t.strictSame(await broken, { texts: ['a', 'b'], failed: true })
})
