import { test, type Test } from 'tap'
import { freshSqlitePath } from '../help/db.ts'
import { spawnService, startProcess } from '../help/process.ts'

/** What `npm run call` prints and how it ends. */
async function called(t: Test, args: string[]) {
  const { child, stderr, exit } = spawnService(t, {}, ['call', ...args])
  let stdout = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  const status = await exit
  return { status, stdout, stderr: stderr() }
}

test('a call prints the answer as JSON, and an error with its reason', async (t) => {
  const { grpc } = await startProcess(t, { SQLITE_PATH: freshSqlitePath(t) })
  const call = (...args: string[]) => called(t, ['--target', grpc, '--timeout', '60', ...args])
  const user = '{"name":"Ann","email":"ann@example.org"}'
  const created = await call('CreateUser', user)
  t.match(JSON.parse(created.stdout), { id: '1', name: 'Ann' })
  t.equal(created.status, 0)
  const read = await call('--protocol', 'connect', 'api.user.v1.User/GetUser', '{"id":1}')
  t.match(JSON.parse(read.stdout), { id: '1', phone: '' })
  t.strictSame(await call('GetUser', '{"id":404}'), {
    status: 1,
    stdout: '',
    stderr: 'user-service: not_found USER_NOT_FOUND: there is no user 404\n  user_id: 404\n',
  })
  // A busy machine may need longer than the first of these for the start of a stream.
  let stream = await called(t, ['--target', grpc, '--timeout', '2', 'Watch'])
  for (let seconds = 4; stream.stdout === '' && seconds < 100; seconds *= 2)
    stream = await called(t, ['--target', grpc, '--timeout', String(seconds), 'Watch'])
  t.equal(stream.stdout, '{"status":"SERVING"}\n', 'a line for each message of a stream')
  t.match(stream.stderr, /deadline_exceeded/)
})

test('what cannot be called is refused by name', async (t) => {
  const target = ['--target', '127.0.0.1:1']
  for (const [args, expected] of [
    [['GetUser'], /--target: found nothing, must be host:port or a target/],
    [[...target, 'GetUsr'], /no method GetUsr; did you mean GetUser\? Allowed: api.user.v1.User/],
    [[...target], /: METHOD: found nothing, must be one of api.user.v1.User\/CreateUser, /],
    [[...target, '/'], /: METHOD: found nothing, /],
    [[...target, '--protocol', 'soap', 'GetUser'], /--protocol: found soap, must be one of grpc,/],
    [[...target, '--timeout', '0', 'GetUser'], /--timeout: found 0, must be seconds above 0/],
    [[...target, '--header', 'x', 'GetUser'], /--header: found x, must be NAME=VALUE/],
    [
      [...target, 'GetUser', '{"idd":1}'],
      /is no api.user.v1.GetUserRequest as JSON: .*"idd" is unk/,
    ],
    [[...target, 'GetUser', '{}', '{}'], /GetUser takes one message/],
    [[...target, 'GetUser'], /unavailable: connect ECONNREFUSED 127.0.0.1:1/],
    [['--target', 'ftp://a', 'GetUser'], /is no target; allowed: direct:/],
  ] as const) {
    const { status, stderr } = await called(t, [...args])
    t.match(stderr, expected)
    t.equal(status, 1)
  }
})
