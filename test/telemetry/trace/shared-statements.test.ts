import { createClient } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'
import { test } from 'tap'
import { User } from '../../../src/gen/api/user/v1/user_pb.ts'
import { startApp } from '../../help/app.ts'
import { spanMemory } from '../../help/spans.ts'
import { until } from '../../help/until.ts'

const callers = 40

test('a statement that calls share is a part of one of them and links to the others', async (t) => {
  const memory = spanMemory()
  const app = await startApp(t, { storage: 'mysql', spans: memory.exporter })
  await fetch(`${app.rest.url}/v1/users`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"name":"Ada","email":"ada@example.org"}',
  })
  // On one connection, so that they arrive together.
  const users = createClient(User, createGrpcTransport({ baseUrl: app.rpc.url }))
  await Promise.all(Array.from({ length: callers }, () => users.getUser({ id: 1n })))
  const named = (name: string) =>
    memory.exporter.getFinishedSpans().filter((span) => span.name === name)
  await until('the spans', () => named('api.user.v1.User/GetUser').length === callers)
  const finds = new Map(named('UserRepo.Find').map((span) => [span.spanContext().spanId, span]))
  t.equal(finds.size, callers, 'each call has a span of its own')
  const statements = named('SELECT users')
  const shared = statements.filter(({ attributes }) => 'db.operation.batch.size' in attributes)
  t.ok(shared.length > 0, `${statements.length} statements, ${shared.length} of them shared`)
  for (const { attributes, links, parentSpanContext } of shared) {
    const calls = [parentSpanContext, ...links.map(({ context }) => context)]
    t.equal(calls.length, attributes['db.operation.batch.size'])
    t.equal(new Set(calls.map((call) => call?.spanId)).size, calls.length)
    for (const call of calls)
      t.equal(finds.get(call?.spanId ?? '')?.spanContext().traceId, call?.traceId)
  }
})
