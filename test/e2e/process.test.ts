import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { test } from 'tap'
import { openRequests } from '../help/exposition.ts'
import { freshSqlitePath } from '../help/db.ts'
import { startProcess } from '../help/process.ts'
import { until } from '../help/until.ts'

for (const signal of ['SIGTERM', 'SIGINT'] as const)
  test(`${signal} stops an idle service in order, with exit code 0`, async (t) => {
    const env = { SQLITE_PATH: freshSqlitePath(t), OTEL_PROPAGATORS: 'jaeger' }
    const service = await startProcess(t, env)
    t.equal((await fetch(`${service.rest}/readyz`)).status, 200)
    service.kill(signal)
    t.equal(await service.exit, 0)
    t.same(service.lines.slice(-1)[0]?.msg, 'stopped')
    const warnings = service.lines.filter(({ level }) => level === 'warn')
    t.match(warnings, [{ msg: /^OTEL_PROPAGATORS=jaeger: jaeger is not known/ }], 'and no other')
  })

test('SIGHUP reads the file of the settings, whose changes are not followed', async (t) => {
  const conf = join(t.testdir({ 'config.yaml': 'log: {level: info}\n' }), 'config.yaml')
  const env = { SQLITE_PATH: freshSqlitePath(t), CONFIG_WATCH_FILE: 'false' }
  const service = await startProcess(t, env, { args: ['--conf', conf] })
  const says = (text: string) =>
    until(text, () => service.lines.some(({ msg }) => String(msg).includes(text)))
  writeFileSync(conf, 'log: {level: loud}\n')
  service.kill('SIGHUP')
  await says('config.yaml: log.level: found "loud"')
  writeFileSync(conf, 'log: {level: debug}\nserver: {timeout: 2s}\n')
  service.kill('SIGHUP')
  await says('settings have changed: server.timeout, log.level')
  rmSync(conf)
  service.kill('SIGHUP')
  await says('a source of settings is away, and the settings stay: ENOENT')
  t.equal((await fetch(`${service.rest}/readyz`)).status, 200)
  service.kill('SIGTERM')
  t.equal(await service.exit, 0)
})

test('SIGUSR1 and SIGUSR2 are told in the log and neither end the service nor open a debugger', async (t) => {
  const service = await startProcess(t, { SQLITE_PATH: freshSqlitePath(t) })
  const told = () =>
    service.lines.filter(({ msg }) => String(msg).startsWith('the signal does nothing'))
  for (const [count, signal] of [
    [1, 'SIGUSR1'],
    [2, 'SIGUSR2'],
  ] as const) {
    service.kill(signal)
    await until('the lines that tell of it', () => told().length === count)
    t.equal((await fetch(`${service.rest}/readyz`)).status, 200)
  }
  service.kill('SIGTERM')
  t.equal(await service.exit, 0)
  t.equal(service.stderr(), '')
})

test('while it drains the service is not ready and goes on serving, until a second signal', async (t) => {
  const service = await startProcess(t, { SQLITE_PATH: freshSqlitePath(t), DRAIN_DELAY: '600s' })
  service.kill('SIGTERM')
  let ready: Response
  do ready = await fetch(`${service.rest}/readyz`)
  while (ready.status === 200)
  t.match(await ready.json(), { status: 'not ready', checks: { shutdown: /stopped/ } })
  t.equal((await fetch(`${service.rest}/healthz`)).status, 200)
  t.equal((await fetch(`${service.rest}/v1/users`)).status, 200)
  service.kill('SIGTERM')
  t.equal(await service.exit, 1, 'the second ends it at once')
})

test('a call that never ends is cut off at the hard limit', async (t) => {
  const service = await startProcess(t, { SQLITE_PATH: freshSqlitePath(t), SHUTDOWN_TIMEOUT: '1s' })
  const [host, port] = service.http.split(':')
  const socket = net.connect(Number(port), host)
  socket.write(
    'POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{',
  )
  await until('the call to begin', async () => (await openRequests(service)) === 1)
  service.kill('SIGTERM')
  const begin = Date.now()
  t.equal(await service.exit, 0)
  t.ok(Date.now() - begin >= 900, 'waited for it')
  socket.destroy()
})

/** Has a process say at its end whether it has loaded the compiler that takes types out, and how it binds functions. */
const telling = `data:text/javascript,${encodeURIComponent(`
  import { AsyncResource } from 'node:async_hooks'
  process.on('exit', () => {
    const compiler = process.moduleLoadList.some((name) => name.includes('amaro'))
    const getters = Object.hasOwn(AsyncResource.bind(() => {}), 'asyncResource')
    process.stderr.write(JSON.stringify({ compiler, getters }))
  })`)}`

test('what a start compiles is kept in the folder of the program, and the next loads no compiler', async (t) => {
  const folder = new URL('../../node_modules/.cache/compile/', import.meta.url)
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  const told: unknown[] = []
  for (const NODE_OPTIONS of Array(2).fill(`--import=${telling}`)) {
    const service = await startProcess(t, { SQLITE_PATH: freshSqlitePath(t), NODE_OPTIONS })
    service.kill('SIGTERM')
    t.equal(await service.exit, 0)
    told.push(JSON.parse(service.stderr()))
  }
  t.ok(readdirSync(folder, { recursive: true }).length > 100)
  // ADR 32 has why none has getters.
  t.strictSame(told, [
    { compiler: true, getters: false },
    { compiler: false, getters: false },
  ])
})

const namespace = ['--pid', '--fork', '--kill-child']
const cannot =
  process.platform !== 'linux' || spawnSync('unshare', [...namespace, 'true']).status !== 0
    ? 'needs the right to make a PID namespace'
    : false

test('as the first process of a container it stops in order', { skip: cannot }, async (t) => {
  const main = new URL('../../src/start.js', import.meta.url).pathname
  const [HTTP_ADDR, GRPC_ADDR, METRICS_ADDR] = Array.from({ length: 3 }, () => '127.0.0.1:0')
  const child = spawn('unshare', [...namespace, process.execPath, main], {
    env: { HTTP_ADDR, GRPC_ADDR, METRICS_ADDR, SQLITE_PATH: freshSqlitePath(t) },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  let log = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (log += text))
  const exit = once(child, 'exit')
  await until('the service', () => log.includes('"serving'))
  const first = firstOf(child)
  t.match(readFileSync(`/proc/${first}/status`, 'utf8'), /^NSpid:.*\t1$/m)
  process.kill(first, 'SIGTERM')
  t.strictSame(await exit, [0, null])
  t.match(log, /"stopped"/)
})

test('as the first process of a container a start ends at once', { skip: cannot }, async (t) => {
  const silent = net.createServer().listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as net.AddressInfo
  const main = new URL('../../src/start.js', import.meta.url).pathname
  const child = spawn('unshare', [...namespace, process.execPath, main, 'migrate'], {
    env: { DB_DSN: `mysql://root@127.0.0.1:${port}/silent` },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  t.teardown(() => (child.kill('SIGKILL'), silent.close()))
  const exit = once(child, 'exit')
  await once(silent, 'connection')
  process.kill(firstOf(child), 'SIGTERM')
  t.strictSame(await exit, [128 + 15, null])
})

/** The process of a namespace that `unshare` has made. */
function firstOf({ pid }: ChildProcess): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8'))
}
