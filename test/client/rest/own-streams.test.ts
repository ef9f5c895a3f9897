import { create, type DescMethodStreaming, type Message } from '@bufbuild/protobuf'
import { Code, ConnectError } from '@connectrpc/connect'
import { test, type Test } from 'tap'
import { errorWithInfo } from '../../../src/call/refusal.ts'
import { ErrorInfoSchema } from '../../../src/gen/google/rpc/error_details_pb.ts'
import {
  eventsOf,
  methodOf,
  type Row,
  serveStreams,
  type StreamHandlers,
} from '../../rest/stream/serve-streams.ts'
import { transportTo } from './peer.ts'

const watch = methodOf('Watch') as DescMethodStreaming
const collect = methodOf('Collect') as DescMethodStreaming

async function read(
  t: Test,
  handlers: StreamHandlers,
  method: DescMethodStreaming,
  ...requests: Row[]
) {
  const { url } = await serveStreams(t, handlers)
  async function* input(): AsyncGenerator<Message> {
    for (const each of requests) yield create(method.input, each) as Message
  }
  const messages: Row[] = []
  try {
    const stream = transportTo(t, url).stream(method, undefined, undefined, undefined, input())
    for await (const message of (await stream).message) messages.push(message)
    return { messages }
  } catch (err) {
    return { messages, error: ConnectError.from(err) }
  }
}

test('the REST client reads a server stream of this service to its end', async (t) => {
  const seen: Row[] = []
  const { messages, error } = await read(
    t,
    {
      watch(request) {
        seen.push(request)
        return eventsOf('a', 'b\nc')
      },
    },
    watch,
    { room: 'a/b', count: 3 },
  )
  t.equal(error, undefined)
  t.match(seen, [{ room: 'a/b', count: 3 }])
  t.match(messages, [
    { text: 'a', number: 0n },
    { text: 'b\nc', number: 1n },
  ])
})

for (const before of [0, 1])
  test(`the REST client gets the error of a server stream after ${before} messages`, async (t) => {
    async function* failing() {
      if (before > 0) yield* eventsOf('a')
      throw errorWithInfo(Code.Unavailable, 'WHY', 'it stops', { metadata: { a: 'b' } })
    }
    const { messages, error } = await read(t, { watch: failing }, watch, { room: 'den' })
    t.equal(messages.length, before)
    t.match(error, { code: Code.Unavailable, rawMessage: 'it stops' })
    t.match(error?.findDetails(ErrorInfoSchema), [{ reason: 'WHY', metadata: { a: 'b' } }])
  })

test('the REST client sends a client stream to this service', async (t) => {
  const texts: string[] = []
  const handler = async (requests: AsyncIterable<Row>) => {
    for await (const { room, text } of requests) texts.push(`${String(room)} ${String(text)}`)
    return { count: texts.length }
  }
  const items = ['a', 'b\n', ''].map((text) => ({ room: 'd/e', text }))
  const { messages, error } = await read(t, { collect: handler }, collect, ...items)
  t.equal(error, undefined)
  t.match(messages, [{ count: 3 }])
  t.strictSame(texts, ['d/e a', 'd/e b\n', 'd/e '])
})
