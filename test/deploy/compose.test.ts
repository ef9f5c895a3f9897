import { existsSync, readFileSync } from 'node:fs'
import { durationMs } from '@bufbuild/protobuf/wkt'
import { test } from 'tap'
import { parse } from 'yaml'
import { openDatabase } from '../../src/app/storage/storage.ts'
import { loadConf } from '../../src/conf/conf.ts'

interface Service {
  image: string
  environment?: Record<string, string>
  volumes?: string[]
  ports?: string[]
  depends_on?: string[] | Record<string, { condition: string }>
  healthcheck?: { test: string[] }
  stop_grace_period?: string
}

const project = new URL('../../', import.meta.url)
const folder = new URL('deploy/compose/', project)
const read = (path: string) => readFileSync(new URL(path, project), 'utf8')
const text = read('deploy/compose/compose.yaml')
const { services } = parse(text) as { services: Record<string, Service> }
const example = Object.fromEntries(
  [...read('deploy/compose/.env.example').matchAll(/^(\w+)=(.*)$/gm)].map(([, key, value]) => [
    key ?? '',
    value ?? '',
  ]),
)

/** As Compose does it, for the forms that the file has. */
const filled = (value: string) =>
  value.replaceAll(/\$\{(\w+)[^}]*\}/g, (_, name: string) => example[name] ?? '')

function serviceConf() {
  const { environment = {} } = services['user-service'] ?? {}
  const env = Object.entries(environment).map(([key, value]) => [key, filled(value)] as const)
  const file = { text: read('configs/config.yaml'), origin: 'configs/config.yaml' }
  return loadConf(file, Object.fromEntries(env))
}

test('each variable of the file is in .env.example, and none besides', async (t) => {
  const used = new Set([...text.matchAll(/(?<!\$)\$\{(\w+)/g)].map(([, name = '']) => name))
  t.strictSame(used, new Set(Object.keys(example)))
  const ignored = read('.gitignore').split('\n')
  t.ok(ignored.includes('/deploy/compose/.env'), 'passwords stay out of git')
})

test('the service takes its settings, and its DSN leads to the database beside it', async (t) => {
  const conf = serviceConf()
  t.equal(conf.data.database.source, `mysql://users:${example.MYSQL_PASSWORD}@mysql:3306/users`)
  const database = await openDatabase(conf.data.database)
  t.match(database.description, /mysql:3306\/users/)
  t.match(services.mysql?.environment, { MYSQL_USER: 'users', MYSQL_DATABASE: 'users' })
})

test('users are read from the Redis beside the service', async (t) => {
  const [host = '', port] = serviceConf().cache.redis.split(':')
  t.match(services[host]?.image, /^redis:/)
  t.equal(port, '6379')
})

test('the service is killed only after its own end', async (t) => {
  const { drainDelay, timeout } = serviceConf().server.shutdown
  const needed = (durationMs(drainDelay) + durationMs(timeout)) / 1000
  const grace = Number.parseInt(services['user-service']?.stop_grace_period ?? '', 10)
  t.ok(grace > needed, `${grace} s for ${needed} s`)
})

test('who is waited for as healthy has a health check', async (t) => {
  const awaited = Object.values(services).flatMap(({ depends_on = {} }) =>
    Object.entries(depends_on)
      .filter(([, how]) => typeof how === 'object' && how.condition === 'service_healthy')
      .map(([name]) => name),
  )
  t.strictSame(new Set(awaited), new Set(['mysql', 'prometheus', 'user-service']))
  for (const name of awaited) t.ok(services[name]?.healthcheck, name)
})

test('every image has a version, and every mounted file is there', async (t) => {
  for (const [name, { image, volumes = [], ports = [] }] of Object.entries(services)) {
    t.match(image, /:v?\d+\.\d+/, name)
    for (const port of ports)
      t.match(port, /^127\.0\.0\.1:/, `${name} listens for this machine only`)
    // Dashboards and rules are folders of other parts of the project.
    for (const [source = ''] of volumes.map((volume) => volume.split(':')))
      if (source.startsWith('./')) t.ok(existsSync(new URL(source, folder)), source)
  }
})

test('Prometheus scrapes the metrics port of the service', async (t) => {
  const { scrape_configs: jobs } = parse(read('deploy/compose/prometheus.yaml')) as {
    scrape_configs: { static_configs: { targets: string[] }[] }[]
  }
  const targets = jobs.flatMap((job) => job.static_configs.flatMap(({ targets }) => targets))
  t.strictSame(targets, ['user-service:9090'])
})
