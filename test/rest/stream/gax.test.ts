import { join } from 'node:path'
import { Readable } from 'node:stream'
import { ConnectError } from '@connectrpc/connect'
import { gaxClient, gaxTest } from '../gax.ts'
import { eventsOf, type Row, serveStreams } from './serve-streams.ts'

const proto = join(import.meta.dirname, '../protos/test/rest/v1/streams.proto')

/** The method Watch of the client that Google's libraries use over REST. */
async function gaxWatch(port: number): Promise<(request: object) => Readable> {
  const method = await gaxClient({
    proto,
    service: 'test.rest.v1.Streams',
    port,
    async fetch(url, { method, headers }) {
      const { ok, status, body } = await fetch(url, { method, headers } as RequestInit)
      const readable = body && Readable.fromWeb(body as never)
      return { ok, status, body: readable, arrayBuffer: () => new Response(body).arrayBuffer() }
    },
  })
  const watch = method('watch')
  return (request) => watch(request, {}, {}) as Readable
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

gaxTest('google-gax reads every message of an array, and a failure as an error', async (t) => {
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
