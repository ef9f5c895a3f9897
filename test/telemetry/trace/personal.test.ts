import { DatabaseSync } from 'node:sqlite'
import type { Logger } from 'pino'
import { test } from 'tap'
import { callers } from '../../e2e/callers.ts'
import { type RunningApp, startApp } from '../../help/app.ts'
import { served, spanMemory } from '../../help/spans.ts'
import { until } from '../../help/until.ts'

const secret = { name: 'Hedwig Kiesler', email: 'hedwig@example.com', phone: '+43 1 998877665544' }
const authorization = 'Bearer geheim'
// More digits than times and ids have by chance.
const secrets = /hedwig|kiesler|998877665544|geheim/i

/** Everything that could bring a person into a trace: good calls, bad ones, odd paths, a broken table. */
async function sayEverything(app: RunningApp): Promise<number> {
  let calls = 0
  const json = { 'content-type': 'application/json', authorization }
  for (const call of Object.values(callers(app))) {
    const { message } = (await call('createUser', secret)) as { message?: { id: string } }
    await call('createUser', { ...secret, phone: '998877665544x' })
    await call('updateUser', { id: '1', user: secret })
    await call('updateUser', { id: '1', user: secret, updateMask: 'hedwig' })
    await call('listUsers', { pageToken: secret.email })
    await call('getUser', { id: message?.id ?? '1' })
    calls += 6
  }
  for (const { url } of [app.rest, app.rpc])
    for (const path of [
      '/v1/users/hedwig@example.com',
      '/v1/users/Hedwig%20Kiesler',
      '/v1/users?email=hedwig@example.com',
      '/people/hedwig@example.com',
      '/api.user.v1.User/GetUser?name=Hedwig',
    ]) {
      const body = `{"name":"${secret.name}`
      await fetch(url + path, { headers: json }).then((answer) => answer.text())
      await fetch(url + path, { method: 'POST', headers: json, body }).then((a) => a.text())
      calls += 2
    }
  await fetch(`${app.rest.url}/v1/users/Hedwig`).then((answer) => answer.text())
  calls += 1
  using db = new DatabaseSync(app.database)
  db.exec('DROP TABLE users')
  for (const call of Object.values(callers(app))) {
    await call('createUser', secret)
    await call('updateUser', { id: '1', user: secret })
    calls += 2
  }
  return calls
}

test('neither spans nor log lines have anything personal or secret', async (t) => {
  let log: Logger | undefined
  const memory = spanMemory()
  const app = await startApp(t, {
    storage: 'sqlite',
    spans: memory.exporter,
    logged: (its) => {
      log = its
    },
  })
  const calls = await sayEverything(app)
  log?.info(
    { headers: { Authorization: authorization }, user: secret, users: [secret] },
    'careless',
  )
  await until('the server spans', () => served(calls)(memory.spans()))
  const spans = JSON.stringify(memory.spans(), (_key, value: unknown) =>
    typeof value === 'bigint' ? String(value) : value,
  )
  t.same(spans.match(secrets), null)
  t.same(JSON.stringify(app.log()).match(secrets), null)
  t.match(
    app.log().find(({ msg }) => msg === 'careless'),
    {
      headers: { Authorization: '***' },
      user: { name: '***', email: '***', phone: '***' },
      users: [{ name: '***' }],
    },
  )
})

test('spans name people where personal data is allowed', async (t) => {
  const memory = spanMemory()
  const app = await startApp(t, {
    storage: 'sqlite',
    spans: memory.exporter,
    configure(conf) {
      conf.tracing.personalData = true
    },
  })
  const calls = callers(app)
  const spans = await memory.of(async () => {
    await calls.REST('createUser', secret)
    await fetch(`${app.rest.url}/v1/users?page_size=1&page_token=`)
  }, served(2))
  const create = spans.find(({ name }) => name === 'UserUseCase.Create')
  t.match(create?.attributes, {
    'user.id': '1',
    'user.name': secret.name,
    'user.email': secret.email,
    'user.phone': secret.phone,
  })
  const list = spans.find(({ name }) => name === 'GET /v1/users')
  t.match(list?.attributes, { 'url.query': 'page_size=1&page_token=' })
})
