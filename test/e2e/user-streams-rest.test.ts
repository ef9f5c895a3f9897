import { test } from 'tap'
import { type RunningApp, startApp } from '../help/app.ts'

const json = { 'content-type': 'application/json' }

const create = ({ rest }: RunningApp, email: string) =>
  fetch(`${rest.url}/v1/users`, {
    method: 'POST',
    headers: json,
    body: JSON.stringify({ name: 'Ada', email }),
  })

/** The events of a stream of server-sent events as they come, each as its lines by name. */
async function* eventsOf(answer: Response): AsyncGenerator<Record<string, string>> {
  let text = ''
  if (answer.body === null) return
  for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
    text += chunk
    const blocks = text.split('\n\n')
    text = blocks.pop() ?? ''
    for (const block of blocks)
      yield Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s)))
  }
}

/** Watches, has a user created each time it is ready for one, and gives so many events with data. */
async function watched(app: RunningApp, headers: Record<string, string>, emails: string[]) {
  const stop = new AbortController()
  const answer = await fetch(`${app.rest.url}/v1/users:watch`, {
    headers: { accept: 'text/event-stream', ...headers },
    signal: stop.signal,
  })
  const events: Record<string, string>[] = []
  const [first = '', ...later] = emails
  if (emails.length > 0) await create(app, first)
  for await (const event of eventsOf(answer)) {
    if (event['data'] === undefined) continue
    events.push(event)
    const next = later.shift()
    if (next === undefined) break
    await create(app, next)
  }
  stop.abort()
  return events
}

for (const storage of ['sqlite', 'mysql'] as const) {
  test(`server-sent events tell of users, and go on after the last one (${storage})`, async (t) => {
    const app = await startApp(t, { storage })
    const events = await watched(app, {}, ['a@example.com', 'b@example.com'])
    t.match(
      events.map(({ data = '' }) => JSON.parse(data) as object),
      [
        { kind: 'CREATED', user: { email: 'a@example.com' } },
        { kind: 'CREATED', user: { email: 'b@example.com' } },
      ],
    )
    const [first] = events
    const resumed = await watched(app, { 'last-event-id': first?.['id'] ?? '' }, [])
    t.match(JSON.parse(resumed[0]?.['data'] ?? ''), { user: { email: 'b@example.com' } })
  })

  test(`a token of another database is 410, which ends an EventSource (${storage})`, async (t) => {
    const one = await startApp(t, { storage })
    const [event] = await watched(one, {}, ['a@example.com'])
    const other = await startApp(t, { storage })
    const answer = await fetch(`${other.rest.url}/v1/users:watch`, {
      headers: { accept: 'text/event-stream', 'last-event-id': event?.['id'] ?? '' },
    })
    t.equal(answer.status, 410)
    t.match(await answer.json(), { code: 410, reason: 'RESUME_TOKEN_EXPIRED' })
  })

  test(`users are imported as NDJSON and exported as NDJSON and CSV (${storage})`, async (t) => {
    const { rest } = await startApp(t, { storage })
    const lines = ['{"user":{"name":"=B","email":"b@example.com"}}', '{"user":{"email":"c"}}']
    const imported = await fetch(`${rest.url}/v1/users:import`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: lines.join('\n'),
    })
    t.match(await imported.json(), {
      created: '1',
      failed: '1',
      failures: [{ line: '2', reason: 'INVALID_USER_INPUT' }],
    })
    const exported = await fetch(`${rest.url}/v1/users:export`)
    t.match(exported.headers.get('content-type'), /ndjson/)
    t.match(JSON.parse(await exported.text()), { name: '=B', email: 'b@example.com' })
    const csv = await fetch(`${rest.url}/v1/users:export?format=csv`)
    t.match(csv.headers.get('content-disposition'), /attachment/)
    t.match(await csv.text(), /^id,name,email,phone,created_at\r?\n1,.?'=B.?,b@example\.com,,/)
    const unknown = await fetch(`${rest.url}/v1/users:export?format=xml`)
    t.equal(unknown.status, 400)
    t.match(await unknown.json(), { message: /format: must be in list \["", ndjson, csv\]/ })
  })
}
