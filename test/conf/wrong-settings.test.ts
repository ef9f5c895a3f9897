import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { checkSettings } from '../../src/app/settings/check.ts'
import { runCommand } from '../../src/command/command.ts'
import { readConf } from '../../src/conf/conf.ts'
import { ConfError } from '../../src/conf/error.ts'
import { ServicesSchema } from '../../src/gen/conf/v1/services_pb.ts'
import { certificates } from '../help/certificates.ts'
import { freshSqlitePath } from '../help/db.ts'
import { spawnService } from '../help/process.ts'

const shipped = readFileSync(new URL('../../configs/config.yaml', import.meta.url), 'utf8')
type Env = Record<string, string>

/** What the start says of the shipped file with these variables, and of a file over it. */
function problems(env: Env, text?: string): readonly string[] {
  const defaults = { text: shipped, origin: 'config.yaml' }
  const file = text === undefined ? defaults : { text, origin: 'own.yaml' }
  try {
    readConf(file, { env, check: checkSettings(env), ...(text && { defaults }) })
    return []
  } catch (err) {
    if (err instanceof ConfError) return err.problems
    throw err
  }
}

const url = /must be a URL with its scheme, such as http:\/\/collector:4317/
const timeout = /must be greater than 0s and less than or equal to 3600s/
const missing = /found "\/no\.pem", which does not exist; must be a PEM file/

/** Variable, its value, the setting, and what is allowed. */
const variables: [name: string, value: string, setting: string, allowed: RegExp][] = [
  ['HTTP_ADDR', '8000', 'server.http.addr', /found "8000", must be host:port/],
  ['HTTP_ADDR', ':8000', 'server.http.addr', /must be host:port/],
  ['GRPC_ADDR', 'localhost:99999', 'server.grpc.addr', /port of 0 to 65535/],
  ['GRPC_ADDR', '0.0.0.0:8000', 'server.grpc.addr', /which server\.http\.addr has/],
  ['METRICS_ADDR', '9090', 'metrics.addr', /must be host:port .* or empty/],
  ['METRICS_ADDR', '0.0.0.0:9000', 'metrics.addr', /which server\.grpc\.addr has/],
  ['TIMEOUT', '5', 'server.timeout', /found the text "5", allowed is a duration in seconds/],
  ['TIMEOUT', '500ms', 'server.timeout', /a duration in seconds, such as 1s or 0\.5s/],
  ['TIMEOUT', '0s', 'server.timeout', timeout],
  ['TIMEOUT', '999999999999999s', 'server.timeout', /a duration in seconds/],
  ['MAX_CONNECTIONS', '0', 'server.limits.max_connections', /found 0, must be greater/],
  ['MAX_CONNECTIONS', '1e4', 'server.limits.max_connections', /a whole number/],
  ['MAX_STREAMS', '0', 'server.limits.max_streams', /found 0, must be greater/],
  ['MAX_STREAMS_PER_ADDRESS', 'x', 'server.limits.max_streams_per_address', /a whole number/],
  ['MAX_CONCURRENT_CALLS', '-1', 'server.limits.max_concurrent_calls', /found -1, must be/],
  ['DRAIN_DELAY', '-1s', 'server.shutdown.drain_delay', /found -1s, must be greater/],
  ['SHUTDOWN_TIMEOUT', '2h', 'server.shutdown.timeout', /a duration in seconds/],
  ['REFLECTION', 'yes', 'server.reflection', /found the text "yes", allowed is true or false/],
  ['TLS_KEY_FILE', '/no.pem', 'server.tls.key_file', missing],
  ['TLS_CLIENT_CA_FILE', '/no.pem', 'server.tls.client_ca_file', missing],
  ['CORS_ORIGINS', 'app.example.org', 'server.cors.origins', /is no origin; must be such as/],
  ['CORS_ORIGINS', 'https://a.org/', 'server.cors.origins', /a browser sends https:\/\/a\.org/],
  ['CORS_ALLOW_HEADERS', 'a b', 'server.cors.allow_headers', /"a b" is no name of a header; must/],
  ['CORS_EXPOSE_HEADERS', 'x-a;x-b', 'server.cors.expose_headers', /must be names of headers/],
  ['CACHE_REDIS', 'http://u:hunter2@h', 'cache.redis', /must be redis:\/\/.*or host:port/],
  ['CACHE_REDIS', 'redis://u:hunter2@h/x', 'cache.redis', /must be redis:\/\//],
  ['CACHE_TTL', '0s', 'cache.ttl', /must be greater than 0s and less than or equal to 86400s/],
  ['CACHE_TIMEOUT', '0s', 'cache.timeout', timeout],
  ['CACHE_TLS_CA_FILE', '/no.pem', 'cache.tls.ca_file', missing],
  ['SHED_CPU', '0', 'limits.shed.cpu', /must be .*0\.1.* 1/],
  ['SHED_CPU_CRITICAL', '0.5', 'limits.shed.cpu_critical', /found 0\.5, must be at least .* 0\.9/],
  ['QUOTA_RATE', '-1', 'limits.quota.rate', /must be .*0.*100000/],
  ['QUOTA_BURST', '0s', 'limits.quota.burst', /must be greater than 0s and less than/],
  ['QUOTA_REDIS', 'http://u:hunter2@h', 'limits.quota.redis', /must be redis:\/\/.*or host:port/],
  ['QUOTA_TLS_CA_FILE', '/no.pem', 'limits.quota.tls.ca_file', missing],
  ['QUOTA_INSTANCES', '0', 'limits.quota.instances', /must be .*1.*10000/],
  ['QUOTA_CALLER_HEADER', 'X Caller', 'limits.quota.caller_header', /must be the name of a header/],
  ['DB_DSN', 'nonsense:hunter2', 'data.database.source', /mysql:\/\/user:password@host/],
  ['DB_DSN', 'postgres://u:hunter2@h/d', 'data.database.source', /allowed are mysql/],
  ['DB_DSN', 'mysql://u:hunter2@h/', 'data.database.source', /names no database/],
  [
    'DB_DSN',
    'mysql://u:hunter2@h:0/d',
    'data.database.source',
    /port is 0; allowed are 1 to 65535/,
  ],
  ['DB_DSN', 'u:hunter2@tcp(h:0)/d', 'data.database.source', /port is 0; allowed are 1 to 65535/],
  ['DB_DSN', 'u:hunter2@udp(h:1)/d', 'data.database.source', /allowed are tcp/],
  ['DB_DSN', 'mysql://u:hunter2@h/d?tls=maybe', 'data.database.source', /allowed are true/],
  [
    'DB_DSN',
    'mysql://u:hunter2@h/d?tls=true&tls_ca=/no.pem',
    'data.database.source',
    /tls_ca=\/no\.pem, which does not exist/,
  ],
  [
    'DB_DSN',
    'mysql://u:hunter2@h/d?tls=true&tls_ca=/etc',
    'data.database.source',
    /tls_ca=\/etc, which is a folder; must be a PEM file/,
  ],
  [
    'DB_READ_DSN',
    'mysql://u:hunter2@h/d?tls=true&tls_ca=/etc/passwd',
    'data.database.read_dsn',
    /tls_ca=\/etc\/passwd, which has no certificate; must be a PEM file/,
  ],
  [
    'DB_READ_DSN',
    'mysql://u:hunter2@h/d',
    'data.database.read_dsn',
    /needs data\.database\.source/,
  ],
  ['SQLITE_PATH', '', 'data.database.sqlite_path', /found "", must be at least 1/],
  ['SQLITE_PATH', '/', 'data.database.sqlite_path', /which is no file; must be a file/],
  ['SQLITE_PATH', '/etc/passwd', 'data.database.sqlite_path', /no database of SQLite/],
  ['SQLITE_PATH', '/etc/passwd/x', 'data.database.sqlite_path', /is no folder; must be a file/],
  ['DB_POOL_SIZE', 'ten', 'data.database.pool_size', /found the text "ten", allowed is a whole/],
  ['DB_POOL_WAIT', '1', 'data.database.pool_wait', /a duration in seconds/],
  ['WATCH_POLL', '0s', 'data.watch.poll', timeout],
  ['WATCH_RETENTION', '60s', 'data.watch.retention', /greater than or equal to 3600s/],
  ['WATCH_GAP_TIMEOUT', '5', 'data.watch.gap_timeout', /a duration in seconds/],
  ['LOG_LEVEL', 'verbose', 'log.level', /must be in list \[trace, debug/],
  ['LOG_FORMAT', 'xml', 'log.format', /must be in list \[auto, json, pretty\]/],
  ['LOG_OTLP', '1', 'log.otlp', /allowed is true or false/],
  ['TRACING_EXPORTER', 'jaeger', 'tracing.exporter', /must be in list \[auto, off, otlp_grpc/],
  ['TRACING_ENDPOINT', '127.0.0.1:4317', 'tracing.endpoint', url],
  ['TRACING_ENDPOINT', 'localhost:4317', 'tracing.endpoint', url],
  ['TRACING_ENDPOINT', 'grpc://u:hunter2@c?key=hunter2', 'tracing.endpoint', url],
  ['JAEGER_ENDPOINT', 'http://', 'tracing.jaeger_endpoint', /must be a URL such as/],
  ['TRACING_TLS_CA_FILE', '/no.pem', 'tracing.tls.ca_file', missing],
  ['TRACING_TLS_CA_FILE', '/etc', 'tracing.tls.ca_file', /which is a folder; must be a PEM/],
  ['TRACING_TLS_CA_FILE', '/etc/passwd', 'tracing.tls.ca_file', /which has no certificate/],
  ['TRACING_RATIO', '2', 'tracing.sampling.ratio', /found 2, must be .* less than or equal to 1/],
  ['TRACING_RATIO', '10%', 'tracing.sampling.ratio', /found the text "10%", allowed is a number/],
  ['TRACING_KEEP_ERRORS', 'on', 'tracing.sampling.keep.errors', /true or false/],
  ['TRACING_KEEP_SLOWER_THAN', '1m', 'tracing.sampling.keep.slower_than', /in seconds/],
  ['TRACING_BATCH_DELAY', '0s', 'tracing.batch.delay', timeout],
  ['TRACING_RESPONSE_HEADER', 'X Trace', 'tracing.response_header', /must be the name of a header/],
  ['TRACING_RESPONSE_HEADER', 'transfer-encoding', 'tracing.response_header', /must be another/],
  ['TRACING_PERSONAL_DATA', 'TRUE', 'tracing.personal_data', /true or false/],
  [
    'TRACING_INSTRUMENTATIONS',
    'http',
    'tracing.instrumentations',
    /must be in list \["", fastify\]/,
  ],
  ['TRACING_CLIENT_ERRORS', '', 'tracing.client_errors', /found the text "", allowed is true/],
  ['TRACING_FLAT', 'yes', 'tracing.flat', /true or false/],
  ['METRICS_PUSH_ENDPOINT', 'collector:4318', 'metrics.push.endpoint', url],
  ['METRICS_PUSH_PROTOCOL', 'http/json', 'metrics.push.protocol', /must be in list \[auto, http/],
  ['METRICS_PUSH_INTERVAL', '60', 'metrics.push.interval', /a duration in seconds/],
  ['METRICS_PUSH_TLS_CA_FILE', '/no.pem', 'metrics.push.tls.ca_file', missing],
  ['MEMORY_RELEASE_WHEN_IDLE', 'no', 'memory.release_when_idle', /true or false/],
  ['CONFIG_SOURCES', 'zookeeper', 'config.sources', /must be of etcd, consul and apollo/],
  ['CONFIG_SOURCES', 'etcd,etcd', 'config.sources', /must name each source once/],
  ['CONFIG_PATH', '', 'config.path', /found "", must be at least 1/],
  ['CONFIG_WATCH_FILE', 'yes', 'config.watch_file', /true or false/],
  ['CONFIG_TIMEOUT', '3', 'config.timeout', /a duration in seconds/],
  [
    'CONFIG_WHEN_UNREACHABLE',
    'wait',
    'config.when_unreachable',
    /must be in list \[cached, fail\]/,
  ],
  ['REGISTRY', 'zookeeper', 'registry.kind', /must be in list \[off, etcd, consul, kubernetes\]/],
  ['REGISTRY_NAME', 'user service', 'registry.name', /must be letters, digits, dots/],
  ['REGISTRY_GO_ZERO_KEY', 'user/rpc', 'registry.go_zero_key', /must be letters, digits, dots/],
  ['REGISTRY_KITEX_NAME', '/user', 'registry.kitex_name', /must be letters, digits, dots/],
  ['REGISTRY_ID', 'a/b', 'registry.id', /must be letters, digits, dots/],
  ['AUTH_ISSUER', 'https://u:p@id.example.com', 'auth.jwt.issuer', /found "https:\/\/\*\*\*@id/],
  ['AUTH_ISSUER', 'id.example.com', 'auth.jwt.issuer', /must be a URL such as https/],
  ['AUTH_ISSUER', 'https://id.example.com', 'auth.jwt.issuer', /needs auth.jwt.audience too/],
  ['AUTH_ALGORITHMS', 'RS256,none', 'auth.jwt.algorithms', /found "none", must be of RS256/],
  ['AUTH_ALGORITHMS', 'HS256', 'auth.jwt.algorithms', /needs auth.jwt.secret too/],
  ['AUTH_SECRET', 'hunter2', 'auth.jwt.secret', /needs HS256 in auth.jwt.algorithms/],
  [
    'AUTH_JWKS_URL',
    'https://id.example.com/keys',
    'auth.jwt.jwks_url',
    /needs auth.jwt.issuer too/,
  ],
  ['AUTH_CACHE', '1m', 'auth.jwt.cache', /in seconds/],
  ['AUTH_OPEN', 'Health', 'auth.open', /must be operations such as/],
  [
    'AUTH_OPEN',
    '/api.user.v1.User/GetUsr',
    'auth.open',
    /did you mean \/api\.user\.v1\.User\/GetUser\?/,
  ],
  ['API_KEYS_FILE', '/no/keys', 'auth.api_keys_file', /does not exist; must be a file of keys/],
  ['API_KEYS_FILE', '/etc/passwd', 'auth.api_keys_file', /line 1 must be: id sha256-of/],
  ['REGISTRY_TTL', '1s', 'registry.ttl', /found 1s, must be greater than or equal to 2s/],
  ['ORDER_ENABLED', '1', 'services.order.enabled', /allowed is true or false/],
  ['USER_TARGET', 'users:9000', 'clients.user.target', /found "users:9000", must be a target: dir/],
  [
    'USER_TARGET',
    'dns:///users',
    'clients.user.target',
    /must be a target: direct:\/\/\/host:port/,
  ],
  ['USER_TARGET', 'discovery:///user', 'clients.user.target', /registry\.kind must not be off/],
  ['USER_TLS_CA_FILE', '/no.pem', 'clients.user.tls.ca_file', missing],
  [
    'USER_API_KEY_FILE',
    '/no/key',
    'clients.user.credentials.api_key_file',
    /does not exist; must be a file with one line/,
  ],
  [
    'USER_TOKEN_FILE',
    '/etc/passwd',
    'clients.user.credentials.token_file',
    /whose content must be one line of at most 8192 visible/,
  ],
  ['USER_FORWARD_CREDENTIALS', '1', 'clients.user.forward_credentials', /true or false/],
  ['USER_PROTOCOL', 'rest', 'clients.user.protocol', /must be in list \[grpc, connect, kratos2/],
  ['USER_TIMEOUT', '0s', 'clients.user.timeout', timeout],
]

test('a process needs a service, and one that finds the services that it calls', async (t) => {
  const without: Env = Object.fromEntries(
    ServicesSchema.fields.map(({ name }) => [`${name.toUpperCase()}_ENABLED`, 'false']),
  )
  const token = join(t.testdir({ token: 'hunter2' }), 'token')
  const away = { USER_TARGET: 'dns:///users:9000' }
  const rows: [Env, RegExp][] = [
    [without, /services: found none .* must be: user, order/],
    [{ USER_ENABLED: 'false' }, /clients\.user\.target: found nothing, .* must be where/],
    [{ USER_TLS_SERVER_NAME: 'users' }, /clients\.user\.target: found nothing, but TLS is asked/],
    [
      { USER_TLS_SERVER_NAME: 'users', USER_TARGET: 'http://users:9000' },
      /clients\.user\.target \(USER_TARGET\): found "http:\/\/users:9000", but TLS .* not by http:\/\//,
    ],
    [
      { USER_TOKEN_FILE: token },
      /clients\.user\.target: found nothing, but .*credentials are named/,
    ],
    [
      { ...away, USER_TOKEN_FILE: token, USER_API_KEY_FILE: token },
      /clients\.user\.credentials: found api_key_file and token_file; must be one of them/,
    ],
    [
      { ...away, USER_TOKEN_FILE: token, USER_FORWARD_CREDENTIALS: 'true' },
      /forward_credentials \(USER_FORWARD_CREDENTIALS\): found true, and .* must be one of them/,
    ],
  ]
  for (const [env, allowed] of rows) t.match(problems(env).join('\n'), allowed)
  t.strictSame(problems({ ...away, USER_TOKEN_FILE: token }), [])
  t.strictSame(problems({ ORDER_ENABLED: 'false', USER_TOKEN_FILE: token }), [])
  const remote = 'gateway: {services: {shop.v1.Cart: {target: "dns:///carts:9000"}}}'
  t.strictSame(problems({ USER_ENABLED: 'false', ORDER_ENABLED: 'false' }, remote), [])
  t.strictSame(problems({ USER_ENABLED: 'false', USER_TARGET: 'direct:///a:1,[::1]:2' }), [])
})

test('a wrong variable is named beside its setting, with what is allowed and no secret', async (t) => {
  for (const [name, value, setting, allowed] of variables) {
    const about = problems({ [name]: value }).find((each) =>
      each.includes(`${setting} (${name}): `),
    )
    t.match(about, allowed, `${name}=${value}`)
    t.notMatch(about ?? '', /hunter2/)
  }
})

type FileRow = [text: string, setting: string, allowed: RegExp]

/** Rows of a service of another process. */
function remotes(rows: FileRow[]): FileRow[] {
  const path = 'gateway.services["shop.v1.Cart"]'
  return rows.map(([text, setting, allowed]) => [
    `gateway: {services: {shop.v1.Cart: ${text}}}`,
    `${path}${setting}`,
    allowed,
  ])
}

/** A file over the shipped one, the setting, and what is allowed. */
const files: FileRow[] = [
  [
    'server: {operation_timeouts: {/api.user.v1.User/ListUser: 3s}}',
    'server.operation_timeouts["/api.user.v1.User/ListUser"]',
    /did you mean \/api\.user\.v1\.User\/ListUsers\? Allowed: \/api/,
  ],
  [
    'limits: {quota: {operations: {/api.user.v1.User/GetUsr: 3}}}',
    'limits.quota.operations',
    /GetUsr".* did you mean \/api\.user\.v1\.User\/GetUser\? Allowed: \/api/,
  ],
  ['server: {operation_timeouts: 3s}', 'server.operation_timeouts', /allowed is a mapping/],
  ['server: {limits: {max_body_bytes: 1MB}}', 'server.limits.max_body_bytes', /a whole number/],
  ['server: {limits: {max_upload_bytes: 1}}', 'server.limits.max_upload_bytes', /found 1, must be/],
  ['server: {streams: {heartbeat: 0s}}', 'server.streams.heartbeat', timeout],
  ['server: {tls: {min_version: TLSv1.1}}', 'server.tls.min_version', /\[TLSv1\.2, TLSv1\.3\]/],
  ['data: {total: {max_age: 10}}', 'data.total.max_age', /a duration in seconds/],
  ['data: {database: {source: 4711}}', 'data.database.source', /found something else, allowed/],
  ['tracing: {headers: {a b: x}}', 'tracing.headers["a b"]', /must be the name of a header/],
  ['tracing: {headers: {token: "hunter2\\n2"}}', 'tracing.headers["token"]', /one line/],
  ['tracing: {headers: {token: 4711}}', 'tracing.headers["token"]', /allowed is a text/],
  ['tracing: {sampling: {rules: {users: 1}}}', 'tracing.sampling.rules["users"]', /must be an op/],
  ['tracing: {sampling: {rules: {/a: 2}}}', 'tracing.sampling.rules["/a"]', /found 2, must be/],
  ['tracing: {sampling: {priority_header: A}}', 'tracing.sampling.priority_header', /lower case/],
  ['tracing: {batch: {max_size: 0}}', 'tracing.batch.max_size', /found 0, must be greater/],
  ['metrics: {push: {headers: []}}', 'metrics.push.headers', /found a list, allowed is a mapping/],
  ...remotes([
    ['{}', '.target', /found "", must be at least 1 character|must be a target/],
    ['{target: "users:9000"}', '.target', /must be a target: direct:\/\/\/host:port/],
    ['{target: "discovery:///u"}', '.target', /registry\.kind must not be off/],
    [
      '{target: "dns:///u:9000", protocl: grpc}',
      '.protocl',
      /did you mean protocol\? Allowed: tar/,
    ],
    ['{target: "dns:///u:9000", protocol: rest}', '.protocol', /must be in list \[.*grpc, connect/],
    ['{target: "dns:///u:9000", tls: {ca_file: /no.pem}}', '.tls.ca_file', missing],
    ['{target: "http://u:9000", tls_server_name: u}', '.target', /not by http:\/\//],
    [
      '{target: "dns:///u:9000", credentials: {token_file: /no}}',
      '.credentials.token_file',
      /does not exist; must be a file with one line/,
    ],
    ['{target: "dns:///u:9000", timeout: 5}', '.timeout', /a duration in seconds/],
    ['{target: "dns:///u:9000", timeout: 0s}', '.timeout', timeout],
    [
      '{target: "dns:///u:9000", descriptor_file: /no}',
      '.descriptor_file',
      /does not exist; must be/,
    ],
    ['{target: "dns:///u:9000", protocol: kratos3}', '.descriptor_file', /has no reflection; must/],
    ['dns:///u:9000', '', /found the text "dns:.*allowed is a mapping with target, protocol/],
  ]),
  [
    'gateway: {services: {api.user.v1.User: {target: "dns:///u:9000"}}}',
    'gateway.services["api.user.v1.User"]',
    /is served by this process itself, see services/,
  ],
  [
    'gateway: {services: {Cart: {target: "dns:///u:9000"}}}',
    'gateway.services["Cart"]',
    /no full name of a service, such as api\.user\.v1\.User/,
  ],
  ['servr: {}', 'servr', /unknown key, did you mean server\? Allowed: server, data/],
]

test('a wrong part of a file is named with what is allowed, and no secret', async (t) => {
  for (const [text, setting, allowed] of files) {
    const found = problems({}, text)
    t.equal(found.length, 1, text)
    t.match(found[0], allowed, text)
    t.ok(found[0]?.startsWith(`own.yaml: ${setting}: `), text)
    t.notMatch(found[0] ?? '', /hunter2|4711/)
  }
})

test('operations are accepted of every service that may have them here or elsewhere', (t) => {
  const env = { ORDER_ENABLED: 'false' }
  const allowed = [
    '/api.user.v1.User/WatchUsers',
    '/api.order.v1.Order/CancelOrder',
    '/grpc.health.v1.Health/Check',
    '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
    '/kratos.api.Metadata/ListServices',
    '/shop.v1.Cart/Empty',
  ]
  const wildcards = ['/api.user.v1.User/*', '/grpc.health.v1.Health/*', '/shop.v1.Cart/*']
  const open = [...allowed, ...wildcards].join()
  const rates = (operations: readonly string[]) =>
    `limits: {quota: {operations: {${operations.map((each) => `${each}: 3`).join()}}}}`
  t.strictSame(problems({ ...env, AUTH_OPEN: open }, rates(allowed)), [])

  const newer = '/api.order.v1.Order/ArchiveOrder'
  const remote = 'gateway: {services: {api.order.v1.Order: {target: "dns:///orders:9000"}}}'
  const text = `${remote}\n${rates([newer])}`
  t.strictSame(problems({ ...env, AUTH_OPEN: newer }, text), [])
  t.equal(problems({ ...env, AUTH_OPEN: newer }, rates([newer])).length, 2)
  t.end()
})

test('a wrong variable of OpenTelemetry is named, with what is allowed', async (t) => {
  const cases: [string, string, RegExp][] = [
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4317', url],
    ['OTEL_EXPORTER_OTLP_METRICS_ENDPOINT', '127.0.0.1:4318', url],
    ['OTEL_EXPORTER_ZIPKIN_ENDPOINT', 'zipkin', url],
    ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'udp', /must be grpc or http\/protobuf or http\/json/],
    ['OTEL_EXPORTER_OTLP_TRACES_TIMEOUT', '10s', /must be a whole number of milliseconds above 0/],
    ['OTEL_EXPORTER_OTLP_COMPRESSION', 'brotli', /must be gzip or none/],
    ['OTEL_EXPORTER_OTLP_CERTIFICATE', '/no.pem', missing],
  ]
  for (const [name, value, allowed] of cases) {
    const [only, ...others] = problems({ [name]: value })
    t.match(only, allowed, name)
    t.ok(only?.startsWith(`${name}: found "${value}", `), name)
    t.same(others, [])
    t.same(problems({ [name]: value, OTEL_SDK_DISABLED: 'true' }), [], 'off: it does not matter')
  }
})

test('wrong headers in a variable of OpenTelemetry are told without them', (t) => {
  for (const value of ['hunter2', '=hunter2', 'a=b,hunter2'])
    t.same(problems({ OTEL_EXPORTER_OTLP_HEADERS: value }), [
      'OTEL_EXPORTER_OTLP_HEADERS: must be names with values, such as name=value,other=value',
    ])
  for (const value of ['a=b', ' a = b , c=d=e ', 'authorization=Bearer%20x,'])
    t.same(problems({ OTEL_EXPORTER_OTLP_HEADERS: value }), [])
  t.end()
})

test('a certificate and its key are both there and fit', async (t) => {
  const { issue, caFile } = certificates(t)
  const [one, two] = [issue('one'), issue('two')]
  const tls = (cert: string, key: string, ca = '') =>
    problems({ TLS_CERT_FILE: cert, TLS_KEY_FILE: key, TLS_CLIENT_CA_FILE: ca })
  t.same(tls(one.certFile, one.keyFile, caFile), [])
  t.match(tls(one.certFile, two.keyFile), [/key_file \(TLS_KEY_FILE\): .* which is not the key of/])
  t.match(tls(one.keyFile, one.keyFile), [/cert_file \(TLS_CERT_FILE\): .* which has no certif/])
  t.match(tls(one.certFile, one.certFile), [/key_file \(TLS_KEY_FILE\): .* no private key/])
  t.match(tls('', one.keyFile), [/cert_file .* but key_file is named; must be both or neither/])
  t.match(tls(one.certFile, ''), [/key_file .* but cert_file is named; must be both or neither/])
  t.match(tls('', '', caFile), [/client_ca_file .*needs cert_file and key_file/])
})

test('all that is wrong is told at once: types, rules, files and what is meant twice', async (t) => {
  const env = {
    HTTP_ADDR: '8000',
    DB_POOL_SIZE: 'ten',
    TRACING_ENDPOINT: 'collector:4317',
    SQLITE_PATH: '/etc/passwd',
    CORS_ORIGINS: 'x',
  }
  const found = problems(env)
  t.equal(found.length, 5)
  for (const name of Object.keys(env))
    t.ok(
      found.some((each) => each.includes(`(${name}): `)),
      name,
    )
})

/** The lines that the program writes before it ends with exit code 1. */
async function start(t: Test, env: Env): Promise<string[]> {
  const free = { HTTP_ADDR: '127.0.0.1:0', GRPC_ADDR: '127.0.0.1:0', METRICS_ADDR: '127.0.0.1:0' }
  const { exit, stderr } = spawnService(t, { ...free, SQLITE_PATH: freshSqlitePath(t), ...env })
  t.equal(await exit, 1)
  return stderr().trimEnd().split('\n')
}

test('the program tells each wrong variable on a line of its own', async (t) => {
  const env = { HTTP_ADDR: '8000', TIMEOUT: '5', TRACING_ENDPOINT: '127.0.0.1:4317' }
  t.match(await start(t, env), [
    /^user-service: .*server\.timeout \(TIMEOUT\): /,
    /^user-service: .*server\.http\.addr \(HTTP_ADDR\): /,
    /^user-service: .*tracing\.endpoint \(TRACING_ENDPOINT\): /,
  ])
})

test('a port that cannot be opened is named with its variable and what to do', async (t) => {
  const busy = net.createServer().listen(0, '127.0.0.1')
  await once(busy, 'listening')
  t.teardown(() => busy.close())
  const addr = `127.0.0.1:${(busy.address() as net.AddressInfo).port}`
  const settings = {
    HTTP_ADDR: 'server.http.addr',
    GRPC_ADDR: 'server.grpc.addr',
    METRICS_ADDR: 'metrics.addr',
  }
  for (const [name, setting] of Object.entries(settings)) {
    const line = `user-service: ${setting} (${name}): found "${addr}", where another process listens; take another port, or 0 for a free one (EADDRINUSE)`
    t.same(await start(t, { [name]: addr }), [line])
  }
  t.match(await start(t, { HTTP_ADDR: '192.0.2.1:0' }), [
    /http\.addr \(HTTP_ADDR\): .*no address of this machine.*EADDRNOTAVAIL/,
  ])
})

test('a database file that is broken further in is named with its setting', async (t) => {
  const path = join(t.testdir(), 'broken.db')
  writeFileSync(path, Buffer.concat([Buffer.from('SQLite format 3\0'), Buffer.alloc(4096, 7)]))
  t.match(await start(t, { SQLITE_PATH: path }), [
    /^user-service: data\.database\.sqlite_path \(SQLITE_PATH\): found ".*broken\.db", which SQLite cannot use: /,
  ])
})

test('a wrong command line is told with what was meant', async (t) => {
  const folder = join(t.testdir(), 'folder')
  mkdirSync(folder)
  const cases: [string[], RegExp][] = [
    [
      ['--cnof', 'x'],
      /unknown option --cnof; did you mean --conf\? Allowed: --conf, --users, --help/,
    ],
    [['--conf'], /--conf/],
    [['--conf', folder], /--conf: found .*folder, which is a folder; must be a YAML file/],
    [['--conf', '/nowhere.yaml'], /--conf: found \/nowhere\.yaml, which does not exist/],
    [['migrat'], /unknown command migrat; did you mean migrate\? Allowed: serve, migrate, seed/],
    [['migrate', 'now'], /one command is allowed, found migrate now/],
    [['seed', '--users', 'many'], /--users: found many, must be a whole number above 0/],
    [['migrate', '--users', '5'], /--users is for seed, found it with migrate/],
  ]
  for (const [args, expected] of cases) {
    const told: string[] = []
    const given = { args, env: {}, isTerminal: false, hasTerminal: false, write: () => undefined }
    function fail(text: string): never {
      told.push(text)
      throw new Error(text)
    }
    await t.rejects(runCommand({ ...given, fail }), args.join(' '))
    t.match(told[0], expected, args.join(' '))
    t.match(told[0], /^user-service: [^\n]*\n$/, 'on one line')
  }
})
