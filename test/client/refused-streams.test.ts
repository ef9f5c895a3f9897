import { Code, createClient, type Transport } from '@connectrpc/connect'
import { test, type Test } from 'tap'
import { channelOf } from '../../src/client/channel.ts'
import { ServerReflection } from '../../src/gen/grpc/reflection/v1/reflection_pb.ts'
import { Health } from '../../src/gen/health/v1/health_pb.ts'
import { caught } from './callers.ts'
import { answered } from './scripted.ts'

/** Clients of nodes that have as many streams as they take, but for those at `free`. */
function subject(t: Test, { free = '', atOnce = false, code = Code.ResourceExhausted } = {}) {
  const asked: string[] = []
  const stream =
    (host: string) =>
    async (...[method, , , , input]: Parameters<Transport['stream']>) => {
      asked.push(host)
      if (atOnce && host !== free) throw answered(code)
      async function* message() {
        if (method === ServerReflection.method.serverReflectionInfo) for await (const _ of input);
        if (host !== free) throw answered(code)
        yield { status: 1 }
      }
      return { method, message: message(), header: new Headers(), trailer: new Headers({ host }) }
    }
  const { transport, close, nodes } = channelOf('direct:///a:1,b:1', {
    protocols: {
      grpc: ({ host }) => ({
        transport: { stream: stream(host) } as unknown as Transport,
        close: () => undefined,
      }),
    },
  })
  t.teardown(close)
  const watching = async () => {
    let end = ''
    const onTrailer = (trailer: Headers) => void (end = trailer.get('host') ?? '')
    for await (const { status } of createClient(Health, transport).watch({}, { onTrailer }))
      t.equal(status, 1)
    return end
  }
  return { asked, nodes, transport, watching }
}

test('a stream that a node refuses is taken by another one', async (t) => {
  for (const atOnce of [true, false]) {
    const { asked, nodes, watching } = subject(t, { free: 'a', atOnce })
    for (let n = 0; n < 10; n += 1) t.equal(await watching(), 'a')
    t.ok(asked.includes('b'))
    t.ok(asked.length < 20, 'the one that refuses is avoided')
    t.ok(nodes().every(({ streams }) => streams === 0))
  }
})

test('a stream that two nodes refuse is refused', async (t) => {
  for (const atOnce of [true, false]) {
    const { asked, watching } = subject(t, { atOnce })
    t.match(await watching().catch(caught), { code: Code.ResourceExhausted })
    t.strictSame(asked.toSorted(), ['a', 'b'])
  }
})

test('a stream that fails otherwise, or whose messages were read, is not opened again', async (t) => {
  const failing = subject(t, { code: Code.Unavailable })
  t.match(await failing.watching().catch(caught), { code: Code.Unavailable })
  t.equal(failing.asked.length, 1)
  const { asked, transport } = subject(t)
  async function* names() {
    yield { messageRequest: { case: 'listServices' as const, value: '' } }
  }
  async function reflecting(): Promise<void> {
    for await (const _ of createClient(ServerReflection, transport).serverReflectionInfo(names()));
  }
  t.match(await reflecting().catch(caught), { code: Code.ResourceExhausted })
  t.equal(asked.length, 1)
})
