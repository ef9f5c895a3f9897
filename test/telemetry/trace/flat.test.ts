import { createConnection } from 'mysql2/promise'
import { test } from 'tap'
import { startApp } from '../../help/app.ts'
import { served, spanMemory, trees } from '../../help/spans.ts'

const env = { TRACING_FLAT: 'true' }

test('without layers a request is its server span with its statements', async (t) => {
  const memory = spanMemory()
  const app = await startApp(t, { storage: 'sqlite', spans: memory.exporter, env })
  const spans = await memory.of(
    () => fetch(`${app.rest.url}/v1/users/4711`).then((answer) => answer.text()),
    served(1),
  )
  t.same(trees(spans), ['SERVER GET /v1/users/{id}\n  CLIENT SELECT users'])
  t.match(spans.find(({ kind }) => kind === 'SERVER')?.attributes, {
    'error.reason': 'USER_NOT_FOUND',
  })
})

test('a statement that is given up ends with the request, where there are no layers', async (t) => {
  const memory = spanMemory()
  const app = await startApp(t, { storage: 'mysql', spans: memory.exporter, env })
  const create = () =>
    fetch(`${app.rest.url}/v1/users`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"name":"Ada","email":"ada@example.org"}',
    })
  await memory.of(create, served(1))
  const locker = await createConnection(app.database)
  t.teardown(() => locker.end())
  await locker.query('BEGIN')
  await locker.query('SELECT * FROM users FOR UPDATE')
  const spans = await memory.of(
    () =>
      fetch(`${app.rest.url}/v1/users/1`, {
        method: 'PATCH',
        headers: { 'content-type': 'application/json', 'x-server-timeout': '0.4' },
        body: '{"name":"B"}',
      }).then((answer) => answer.text()),
    served(1),
  )
  await locker.query('ROLLBACK')
  const [tree = ''] = trees(spans)
  t.match(tree, /^SERVER PATCH \/v1\/users\/\{id\} !DEADLINE_EXCEEDED/)
  t.match(tree, '\n  CLIENT UPDATE users !given up')
})
