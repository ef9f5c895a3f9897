import { randomBytes } from 'node:crypto'
import { createClient, type Transport } from '@connectrpc/connect'
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node'
import type { Logger } from 'pino'
import { test } from 'tap'
import { User } from '../../../src/gen/api/user/v1/user_pb.ts'
import { type RunningApp, startApp, type Storage } from '../../help/app.ts'
import { served, spanMemory, trees } from '../../help/spans.ts'
import { until } from '../../help/until.ts'

const hex = (bytes: number) => randomBytes(bytes).toString('hex')

/** Calls GetUser with a caller's trace, in each protocol. */
function getters({ rest, rpc }: RunningApp) {
  const baseUrl = rpc.url
  const by = (transport: Transport) => {
    const users = createClient(User, transport)
    return (headers: Record<string, string>) => users.getUser({ id: 1n }, { headers })
  }
  return {
    REST: (headers: Record<string, string>) =>
      fetch(`${rest.url}/v1/users/1`, { headers }).then((answer) => answer.json()),
    Connect: by(createConnectTransport({ baseUrl, httpVersion: '1.1' })),
    'Connect over HTTP/2': by(createConnectTransport({ baseUrl, httpVersion: '2' })),
    gRPC: by(createGrpcTransport({ baseUrl })),
    'gRPC-Web': by(createGrpcWebTransport({ baseUrl, httpVersion: '1.1' })),
  }
}

async function withUser(app: RunningApp): Promise<void> {
  await fetch(`${app.rest.url}/v1/users`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"name":"Ada","email":"ada@example.org"}',
  })
}

for (const storage of ['mysql', 'sqlite'] satisfies Storage[])
  test(`of 1,000 calls, 100 at once, none has a span of another, on ${storage}`, async (t) => {
    const memory = spanMemory()
    const app = await startApp(t, {
      storage,
      spans: memory.exporter,
      configure(conf) {
        conf.tracing.batch.queue = 20_000
        conf.data.database.poolQueue = 2000
        // A statement that calls share is a part of one of them.
        conf.data.database.coalesceReads = false
        conf.data.database.poolWait = { ...conf.data.database.poolWait, seconds: 30n }
        conf.server.timeout = { ...conf.server.timeout, seconds: 60n }
        conf.server.limits.maxConcurrentCalls = 2000
      },
    })
    await withUser(app)
    const calls = Object.values(getters(app))
    const callers = Array.from({ length: 1000 }, () => ({ trace: hex(16), span: hex(8) }))
    const spans = await memory.of(async () => {
      const waiting = callers.entries()
      async function callOn(): Promise<void> {
        for (const [index, { trace, span }] of waiting)
          await calls[index % calls.length]?.({ traceparent: `00-${trace}-${span}-01` })
      }
      // More would wait for longer than a call may, where the machine is busy with other things.
      await Promise.all(Array.from({ length: 100 }, callOn))
    }, served(1000))
    const byTrace = Map.groupBy(spans, ({ traceId }) => traceId)
    // Of this test's own user there is a trace, too, if its spans came late.
    t.ok(byTrace.size === 1000 || byTrace.size === 1001)
    t.equal(new Set(spans.map(({ id }) => id)).size, spans.length, 'no span twice')
    const wrong = callers.filter(({ trace, span }) => {
      const own = byTrace.get(trace) ?? []
      const root = own.find(({ kind }) => kind === 'SERVER')
      const shape = trees(own).map((tree) =>
        tree
          .split('\n')
          .slice(1)
          .map((line) => line.trim())
          .join(),
      )
      const whole = 'UserService.GetUser,UserUseCase.Get,UserRepo.Find,CLIENT SELECT users'
      return root?.parent !== span || shape.join(';') !== whole
    })
    t.same(wrong, [], 'each under its own parent, whole')
  })

test('every line of a request has its trace, also one from the middle of it', async (t) => {
  let log: Logger | undefined
  const memory = spanMemory()
  const app = await startApp(t, {
    storage: 'sqlite',
    spans: memory.exporter,
    logged: (its) => {
      log = its
    },
    // Called by biz.
    now() {
      log?.info('in the middle')
      return new Date(0)
    },
  })
  const trace = hex(16)
  for (const flags of ['01', '00']) {
    const before = app.log().length
    await fetch(`${app.rest.url}/v1/users`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        traceparent: `00-${trace}-${hex(8)}-${flags}`,
      },
      body: `{"name":"Ada","email":"ada${flags}@example.org"}`,
    })
    await until('the line of the log', () => app.log().length >= before + 2)
    const [middle, line] = app.log().slice(before)
    t.match(middle, { msg: 'in the middle', trace_id: trace, span_id: /^[0-9a-f]{16}$/ }, flags)
    t.match(line, { msg: 'request', trace_id: trace, span_id: /^[0-9a-f]{16}$/ }, flags)
  }
  await until('the server spans', () => served(1)(memory.spans()))
  const ids = memory.spans().map(({ id, name }) => [name, id])
  const at = (name: string) => ids.find(([its]) => its === name)?.[1]
  const [middle, line] = app.log().filter(({ trace_id: its }) => its === trace)
  t.equal(middle?.span_id, at('UserUseCase.Create'), 'the innermost span')
  t.equal(line?.span_id, at('POST /v1/users'))
  t.notOk(app.log().find(({ msg }) => msg === 'migrated')?.trace_id, 'no line outside of a request')
})

test('the caller is told the trace id in a header, if that is wished', async (t) => {
  const memory = spanMemory()
  const app = await startApp(t, {
    storage: 'sqlite',
    spans: memory.exporter,
    configure(conf) {
      conf.tracing.responseHeader = 'x-trace-id'
      conf.tracing.sampling.ratio = 0.5
    },
  })
  const urls = [
    `${app.rest.url}/v1/users`,
    `${app.rest.url}/nowhere`,
    `${app.rpc.url}/api.user.v1.User/ListUsers?connect=v1&encoding=json&message=%7B%7D`,
    `${app.rpc.url}/nowhere`,
  ]
  for (const url of urls)
    for (let call = 0; call < 6; call += 1) {
      const answer = await fetch(url)
      const id = answer.headers.get('x-trace-id')
      t.match(id, /^[0-9a-f]{32}$/, url)
      await until('the line of the log', () => app.log().at(-1)?.trace_id === id)
    }
  await until('the spans', () => memory.spans().length > 0)
  const told = new Set(app.log().map(({ trace_id: id }) => id))
  t.ok(
    memory.spans().every(({ traceId }) => told.has(traceId)),
    'spans have the ids that were told',
  )
})

test('what a call sends on has its trace, its baggage and the global metadata', async (t) => {
  const sent: Record<string, string>[] = []
  const memory = spanMemory()
  const app = await startApp(t, {
    storage: 'sqlite',
    spans: memory.exporter,
    now() {
      sent.push(app.tracing?.outgoing() ?? {})
      return new Date(0)
    },
  })
  const trace = hex(16)
  const caller = hex(8)
  for (const flags of ['01', '00'])
    await fetch(`${app.rest.url}/v1/users`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        traceparent: `00-${trace}-${caller}-${flags}`,
        tracestate: 'vendor=1',
        baggage: 'tenant=7',
        'x-md-service-name': 'shop',
        'x-md-global-region': 'eu',
        'x-md-local-secret': 'no',
      },
      body: `{"name":"Ada","email":"ada${flags}@example.org"}`,
    })
  await until('the server spans', () => served(1)(memory.spans()))
  const create = memory.spans().find(({ name }) => name === 'UserUseCase.Create')
  t.strictSame(sent[0], {
    traceparent: `00-${trace}-${create?.id}-01`,
    tracestate: 'vendor=1',
    baggage: 'tenant=7',
    'x-md-service-name': 'user-service',
    'x-md-global-region': 'eu',
  })
  t.match(sent[1], {
    traceparent: new RegExp(`^00-${trace}-[0-9a-f]{16}-00$`),
    baggage: 'tenant=7',
  })
  const root = memory.spans().find(({ kind }) => kind === 'SERVER')
  t.match(root, { parent: caller, attributes: { 'peer.service': 'shop' } })
})
