import { mkdirSync, readFileSync, renameSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { freePort } from '../../../scripts/free-port.ts'
import { openConfig } from '../../../src/app/config/open.ts'
import { effectiveConfig } from '../../../src/command/config.ts'
import { configReader } from '../../../src/command/settings.ts'
import { ConfError } from '../../../src/conf/error.ts'
import { changesOf, liveConf, settings } from '../../../src/conf/live.ts'
import { fileSource } from '../../../src/fleet/file-source.ts'
import { fakeApollo, fakeConsul } from '../../help/config-centres.ts'
import { until } from '../../help/until.ts'

const consul = { kind: 'consul', key: 'users' }

/** Reads a document of a config centre over the shipped file. */
function read(text: string, env = {}) {
  return configReader(undefined, env).read(new Map([[consul, text]]))
}

function problems(text: string): readonly string[] {
  try {
    read(text)
    return []
  } catch (err) {
    if (err instanceof ConfError) return err.problems
    throw err
  }
}

/** A document and what is said of it. */
const refused: [text: string, problem: RegExp][] = [
  ['', /^consul:users: the file is empty$/],
  ['# nothing', /^consul:users: the file is empty$/],
  ['log', /^consul:users: found the text "log", allowed is a mapping/],
  ['log: [', /^consul:users:\d+:\d+: /],
  ['log: {level: info, level: warn}', /^consul:users:1:20: the key level is given twice$/],
  ['log: {level: info}\n---\nlog: {}', /a second document begins/],
  ['log: {level: loud}', /^consul:users: log\.level: found "loud", must be in list/],
  ['log: {leval: info}', /^consul:users: log\.leval: unknown key, did you mean level\?/],
  ['log: {level: "${LEVEL:info}"}', /^consul:users: log\.level: found a placeholder, which only/],
  ['server: {timeout: 1000}', /^consul:users: server\.timeout: found 1000, allowed is a duration/],
  ['server: {timeout: 2h}', /server\.timeout: found the text "2h"/],
  ['server: {timeout: 3601s}', /server\.timeout: found 3601s, must be greater than 0s/],
  ['server: {operation_timeouts: {/x/Y: 0s}}', /operation_timeouts\["\/x\/Y"\]: found 0s/],
  ['tracing: {sampling: {ratio: 2}}', /tracing\.sampling\.ratio: found 2, must be/],
  ['tracing: {headers: {authorization: [hunter2]}}', /headers.*: found a list, allowed is a text/],
  ['registry: {etcd: {password: 7777777}}', /password: found something else, allowed is a text/],
  ['data: {database: {source: "hunter2"}}', /^consul:users: data\.database\.source: /],
  ['config: {sources: etcd}', /^consul:users: config: only the file can have this section$/],
]

test('a bad document is refused with the path of what is wrong, and without secrets', async (t) => {
  for (const [text, problem] of refused) {
    const found = problems(text)
    t.equal(found.length, 1, text)
    t.match(found[0], problem, text)
    t.notMatch(found.join(), /hunter2|7777777/)
  }
})

test('a document counts over the file and its variables, and its maps add to those of the file', async (t) => {
  const text = 'server: {timeout: 2s, operation_timeouts: {/api.user.v1.User/GetUser: 1s}}\n'
  const { conf } = read(text, { TIMEOUT: '9s', LOG_LEVEL: 'warn' })
  t.match(conf.server, {
    timeout: { seconds: 2n },
    operationTimeouts: { '/api.user.v1.User/GetUser': { seconds: 1n } },
  })
  t.equal(conf.log.level, 'warn')
})

test('the settings that can change are these, and a change of another one is left out', async (t) => {
  t.strictSame(
    settings.filter(({ live }) => live).map(({ path }) => path),
    [
      'server.limits.max_concurrent_calls',
      'server.limits.max_streams',
      'server.limits.max_streams_per_address',
      'server.timeout',
      'server.operation_timeouts',
      'log.level',
      'tracing.sampling.ratio',
      'tracing.sampling.rules',
      'tracing.sampling.keep.errors',
      'tracing.sampling.keep.slower_than',
      'clients.user.timeout',
      'clients.user.retry.attempts',
      'clients.user.retry.backoff',
      'limits.shed.cpu',
      'limits.shed.cpu_critical',
      'limits.quota.rate',
      'limits.quota.burst',
      'limits.quota.operations',
    ],
  )
  const live = liveConf(read('{}').conf)
  const limit = live.values(({ server }) => ({ max: server.limits.maxStreams }))
  const { conf } = read('server: {docs: false, limits: {max_streams: 3, max_connections: 4}}')
  t.strictSame(live.take(conf), {
    applied: ['server.limits.max_streams'],
    waiting: ['server.limits.max_connections', 'server.docs'],
  })
  t.equal(limit.max, 3)
  t.equal(live.current().server.docs, true)
  t.strictSame(live.take(read('server: {limits: {max_streams: 3}}').conf), {
    applied: [],
    waiting: [],
  })
})

/** The whole file of the first release, which knew four of today's sections. */
const firstRelease = `server:
  http:
    addr: \${HTTP_ADDR:0.0.0.0:8000}
  grpc:
    addr: \${GRPC_ADDR:0.0.0.0:9000}
  limits:
    max_body_bytes: 1048576
    max_header_bytes: 8192
data:
  database:
    source: \${DB_DSN:}
    sqlite_path: \${SQLITE_PATH:data/user-service.db}
    pool_size: \${DB_POOL_SIZE:10}
log:
  level: \${LOG_LEVEL:info}
  format: \${LOG_FORMAT:auto}
`

test('a file of an older release counts as it is, and what it lacks is as shipped', (t) => {
  const path = join(t.testdir({ 'config.yaml': firstRelease }), 'config.yaml')
  const env = { LOG_LEVEL: 'warn', QUOTA_RATE: '7' }
  const old = configReader(path, env).read(new Map())
  t.match(old.conf, { server: { limits: { maxHeaderBytes: 8192 } }, log: { level: 'warn' } })
  t.match(old.given.get('server.limits.max_header_bytes'), { origin: path })
  const shipped = configReader(undefined, env).read(new Map())
  t.match(shipped.conf.limits.quota, { rate: 7 })
  t.strictSame(
    changesOf(old.conf, shipped.conf).map((change) => change.path),
    ['server.limits.max_header_bytes'],
  )
  t.end()
})

/** The texts that a source of a file tells; it polls so rarely that only the watch counts. */
function watched(t: Test, path: string) {
  const told: (string | undefined)[] = []
  const stop = new AbortController()
  const following = fileSource(path, 3_600_000).follow(stop.signal, (text) => told.push(text))
  const ended = following.catch(() => undefined)
  t.teardown(() => {
    stop.abort()
    return ended
  })
  return { told, tells: (text: string) => until(`the text ${text}`, () => told.at(-1) === text) }
}

test('each of three swaps of a ConfigMap is seen, and each save of an editor', async (t) => {
  const folder = t.testdir({})
  function swap(version: number): void {
    mkdirSync(join(folder, `..${version}`))
    writeFileSync(join(folder, `..${version}`, 'config.yaml'), `version ${version}`)
    symlinkSync(`..${version}`, join(folder, '..data_tmp'))
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
  }
  swap(0)
  symlinkSync('..data/config.yaml', join(folder, 'config.yaml'))
  const { told, tells } = watched(t, join(folder, 'config.yaml'))
  await tells('version 0')
  for (const version of [1, 2, 3]) {
    swap(version)
    await tells(`version ${version}`)
  }
  t.equal(told.length, 4)

  const edited = join(t.testdir({ 'edited.yaml': 'a' }), 'edited.yaml')
  const editor = watched(t, edited)
  await editor.tells('a')
  for (const text of ['b', 'c']) {
    writeFileSync(`${edited}~`, text)
    renameSync(`${edited}~`, edited)
    await editor.tells(text)
  }
})

test('a source that is away at the start ends it, or leaves the copy or the file, as set', async (t) => {
  const nobody = `127.0.0.1:${await freePort()}`
  const away = { CONFIG_SOURCES: 'consul', CONSUL_ADDRESS: nobody }
  const etcdAway = { CONFIG_SOURCES: 'etcd', ETCD_ENDPOINTS: nobody }
  const copy = join(t.testdir({}), 'copy.json')
  const cached = { CONFIG_CACHE_FILE: copy, LOG_LEVEL: 'error' }
  const open = (env: Record<string, string>) => openConfig(configReader(undefined, env))

  const err = await t.rejects(open({ ...away, CONFIG_WHEN_UNREACHABLE: 'fail' }))
  t.match(err, { setting: 'config.sources', message: /^consul:config\/user-service\/config\.yaml/ })

  const etcdErr = await t.rejects(open({ ...etcdAway, CONFIG_WHEN_UNREACHABLE: 'fail' }))
  t.match(etcdErr, { setting: 'config.sources', message: /^etcd:config\/user-service.*REFUSED/ })

  const nowhere = await t.rejects(open({ CONFIG_SOURCES: 'etcd,consul,apollo' }))
  t.match(nowhere, { name: 'ConfError', message: /registry\.etcd\.endpoints.*: found nothing/ })
  t.match(nowhere, { message: /registry\.consul\.address.*\n.*config\.apollo\.address/ })

  const file = await open({ ...away, ...cached })
  t.equal(file.conf.log.level, 'error')
  t.match(file.notes, [/^consul:config.*ECONNREFUSED.*; there is no copy of it$/])

  const etcdFile = await open({ ...etcdAway, ...cached })
  t.equal(etcdFile.conf.log.level, 'error')
  t.match(etcdFile.notes, [/^etcd:config.*ECONNREFUSED.*; there is no copy of it$/])

  const document = 'log: {level: warn}\n'
  const copied = ['consul', 'etcd'].map((kind) => [
    `${kind}:config/user-service/config.yaml`,
    document,
  ])
  writeFileSync(copy, JSON.stringify(Object.fromEntries(copied)))
  t.equal((await open({ ...etcdAway, ...cached })).conf.log.level, 'warn')
  const fromCopy = await open({ ...away, ...cached })
  t.equal(fromCopy.conf.log.level, 'warn')
  t.match(fromCopy.notes, [/; its last good copy is used$/])

  const centre = await fakeConsul(t)
  centre.put('log: {level: loud}\n')
  const refusedOne = await open({ ...centre.env, ...cached })
  t.equal(refusedOne.conf.log.level, 'warn')
  t.match(refusedOne.notes, [/log\.level: found "loud"/])
  const refusedStart = await t.rejects(open({ ...centre.env, CONFIG_WHEN_UNREACHABLE: 'fail' }))
  t.match(refusedStart, { name: 'ConfError', message: /log\.level: found "loud"/ })

  writeFileSync(copy, JSON.stringify({ 'consul:config/user-service/config.yaml': 'log: 1' }))
  t.equal((await open({ ...centre.env, ...cached })).conf.log.level, 'error')
})

test('the effective settings are listed with their sources, and secrets are hidden', async (t) => {
  const centre = await fakeApollo(t)
  centre.put('log: {level: warn}\ntracing: {headers: {authorization: hunter2}}\n')
  const env = { ...centre.env, TIMEOUT: '7s', DB_DSN: 'mysql://u:hunter2@h/d' }
  const text = effectiveConfig(await openConfig(configReader(undefined, env)))
  t.match(text, /^log\.level: "warn" +apollo:user-service\/default\/config\.yaml +live$/m)
  t.match(text, /^server\.timeout: "7s" +configs\/config\.yaml \(TIMEOUT\) +live$/m)
  t.match(text, /^server\.http\.addr: "0\.0\.0\.0:8000" +configs\/config\.yaml$/m)
  t.match(text, /^tracing\.headers: \(hidden\) +apollo/m)
  t.match(text, /^data\.database\.source: \(hidden\) +configs\/config\.yaml \(DB_DSN\)$/m)
  t.notMatch(text, /hunter2/)
})

test('the copy of the last good documents is for its owner alone', async (t) => {
  const { configCache } = await import('../../../src/app/config/cache.ts')
  const path = join(t.testdir({}), 'copy.json')
  configCache(path).write({ 'etcd:users': 'log: {}', 'consul:users': null })
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.strictSame(JSON.parse(readFileSync(path, 'utf8')), configCache(path).read())
})
