import { readFileSync } from 'node:fs'

import { getOption, type DescMessage } from '@bufbuild/protobuf'
import { durationFromMs } from '@bufbuild/protobuf/wkt'
import { field as fieldRules } from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js'
import { test } from 'tap'

import { loadConf } from '../../src/conf/conf.ts'
import { decode } from '../../src/conf/decode.ts'
import { ConfError } from '../../src/conf/error.ts'
import { ConfSchema } from '../../src/gen/conf/v1/conf_pb.ts'
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from '../../src/gen/google/rpc/error_details_pb.ts'

const shipped = readFileSync(new URL('../../configs/config.yaml', import.meta.url), 'utf8')

const sections = ConfSchema.fields.map(({ name }) => name)

type Env = Record<string, string | undefined>

/** What loading says about the shipped file with one part replaced. */
function problems(env: Env, part = '', replacement = ''): string[] {
  try {
    const text = shipped.replace(part, () => replacement)
    loadConf({ text, origin: 'config.yaml' }, env)
    return []
  } catch (err) {
    if (err instanceof ConfError) return [...err.problems]
    throw err
  }
}

test('the shipped file loads without any environment', async (t) => {
  t.match(loadConf({ text: shipped, origin: 'config.yaml' }, {}), {
    server: {
      http: { addr: '0.0.0.0:8000' },
      grpc: { addr: '0.0.0.0:9000' },
      limits: { maxBodyBytes: 1048576, maxHeaderBytes: 16384 },
    },
    data: { database: { source: '', sqlitePath: 'data/user-service.db', poolSize: 10 } },
    log: { level: 'info', format: 'auto' },
  })
})

test('the environment replaces placeholders, as text and as a number', async (t) => {
  const env = { DB_DSN: '12345', DB_POOL_SIZE: '7', HTTP_ADDR: '[::1]:0' }
  t.match(loadConf({ text: shipped, origin: 'config.yaml' }, env), {
    server: { http: { addr: '[::1]:0' } },
    data: { database: { source: '12345', poolSize: 7 } },
  })
})

test('a value from the environment is neither YAML nor a placeholder', async (t) => {
  const source = "'a: [b]\n#${DB_POOL_SIZE:1}"
  t.equal(
    loadConf({ text: shipped, origin: 'config.yaml' }, { DB_DSN: source }).data.database.source,
    source,
  )
})

test('a variable that is set to nothing counts as set', async (t) => {
  t.same(problems({ SQLITE_PATH: '' }), [
    'config.yaml: data.database.sqlite_path (SQLITE_PATH): found "", must be at least 1 characters',
  ])
})

test('each variable that is not set and has no default is named', async (t) => {
  t.same(problems({}, '${DB_DSN:}', 'mysql://${DB_USER}:${DB_PASSWORD}@db/users'), [
    'config.yaml: data.database.source: the environment variable DB_USER is not set, and ${DB_USER} gives no default',
    'config.yaml: data.database.source: the environment variable DB_PASSWORD is not set, and ${DB_PASSWORD} gives no default',
  ])
})

test('a malformed placeholder is refused, not taken as it is', async (t) => {
  for (const malformed of ['${LOG_LEVEL', '${1ST:info}', '${}']) {
    t.same(problems({}, '${LOG_LEVEL:info}', malformed), [
      `config.yaml: log.level: "${malformed}" is no placeholder, write \${NAME} or \${NAME:default}`,
    ])
  }
})

test('a placeholder within another is refused', async (t) => {
  t.same(problems({ LEVEL: 'warn' }, '${LOG_LEVEL:info}', '${LOG_LEVEL:${LEVEL}}'), [
    'config.yaml: log.level: "${LOG_LEVEL:${LEVEL}" is no placeholder, write ${NAME} or ${NAME:default}',
  ])
})

test('an unknown key is refused with its path, a suggestion and the allowed keys', async (t) => {
  const cases: [part: string, replacement: string, problem: string][] = [
    [
      'grpc:',
      'grcp:',
      'server.grcp: unknown key, did you mean grpc? Allowed: http, grpc, limits, timeout, operation_timeouts, shutdown, reflection, tls, cors, docs, streams',
    ],
    [
      'max_body_bytes',
      'maxBodyBytes',
      'server.limits.maxBodyBytes: unknown key, did you mean max_body_bytes? Allowed: max_body_bytes, max_header_bytes, headers_timeout, request_timeout, idle_timeout, max_connections, max_concurrent_streams, max_concurrent_calls, max_streams, max_streams_per_address, max_upload_bytes',
    ],
    ['log:', 'colour: {}\nlog:', `colour: unknown key. Allowed: ${sections.join(', ')}`],
  ]
  for (const [part, replacement, problem] of cases) {
    t.same(problems({}, part, replacement), [`config.yaml: ${problem}`])
  }
})

test('a wrong type is refused with its path, what was found and what is allowed', async (t) => {
  const whole = 'a whole number of at most 32 bits, without quotes'
  const text = 'a text, in quotes if it looks like something else'
  const cases: [part: string, replacement: string, problem: string][] = [
    [
      '1048576',
      '"1048576"',
      `server.limits.max_body_bytes: found the text "1048576", allowed is ${whole}`,
    ],
    ['1048576', '1.5', `server.limits.max_body_bytes: found 1.5, allowed is ${whole}`],
    [
      '1048576',
      '99999999999',
      `server.limits.max_body_bytes: found 99999999999, allowed is ${whole}`,
    ],
    ['1048576', '', `server.limits.max_body_bytes: found nothing, allowed is ${whole}`],
    ['1048576', '[1]', `server.limits.max_body_bytes: found a list, allowed is ${whole}`],
    ['${LOG_LEVEL:info}', 'true', `log.level: found true, allowed is ${text}`],
    ['${LOG_LEVEL:info}', '{a: 1}', `log.level: found a mapping, allowed is ${text}`],
  ]
  for (const [part, replacement, problem] of cases) {
    t.same(problems({}, part, replacement), [`config.yaml: ${problem}`])
  }
  t.same(problems({}, shipped, 'server: 8000\n').slice(0, 1), [
    'config.yaml: server: found 8000, allowed is a mapping with http, grpc, limits, timeout, operation_timeouts, shutdown, reflection, tls, cors, docs, streams',
  ])
  t.same(problems({ DB_POOL_SIZE: 'ten' }), [
    `config.yaml: data.database.pool_size (DB_POOL_SIZE): found the text "ten", allowed is ${whole}`,
  ])
})

test('every broken rule is told at once, with its path and what was found', async (t) => {
  const env = { LOG_LEVEL: 'verbose', HTTP_ADDR: ':8000', DB_POOL_SIZE: '0' }
  t.same(problems(env, '1048576', '10'), [
    'config.yaml: server.http.addr (HTTP_ADDR): found ":8000", must be host:port with a port of 0 to 65535, such as 0.0.0.0:8000 or [::]:8000',
    'config.yaml: server.limits.max_body_bytes: found 10, must be greater than or equal to 1024 and less than or equal to 1073741824',
    'config.yaml: data.database.pool_size (DB_POOL_SIZE): found 0, must be greater than or equal to 1 and less than or equal to 1000',
    'config.yaml: log.level (LOG_LEVEL): found "verbose", must be in list [trace, debug, info, warn, error, fatal, silent]',
  ])
})

test('a value of a map is told with its key', async (t) => {
  t.same(problems({}, 'operation_timeouts: {}', 'operation_timeouts: {/a.B/C: 0s}'), [
    'config.yaml: server.operation_timeouts["/a.B/C"]: found 0s, must be greater than 0s and less than or equal to 3600s',
  ])
  t.same(problems({}, '/healthz: 0', '/healthz: 2'), [
    'config.yaml: tracing.sampling.rules["/healthz"]: found 2, must be greater than or equal to 0 and less than or equal to 1',
  ])
})

test('what the file leaves out is told as missing, not as zero', async (t) => {
  t.same(problems({}, 'max_body_bytes: 1048576', ''), [
    'config.yaml: server.limits.max_body_bytes: missing, must be greater than or equal to 1024 and less than or equal to 1073741824',
  ])
  t.same(problems({}, shipped, 'server: {}\ndata: {database: {sqlite_path: a, pool_size: 1}}\n'), [
    'config.yaml: server.http: missing',
    'config.yaml: server.grpc: missing',
    'config.yaml: server.limits: missing',
    'config.yaml: server.timeout: missing',
    'config.yaml: server.shutdown: missing',
    'config.yaml: server.tls: missing',
    'config.yaml: server.cors: missing',
    'config.yaml: server.streams: missing',
    'config.yaml: data.database.pool_wait: missing',
    'config.yaml: data.total: missing',
    'config.yaml: data.watch: missing',
    ...sections.slice(2).map((section) => `config.yaml: ${section}: missing`),
  ])
})

test('what is not YAML is refused with line, column and reason', async (t) => {
  const cases: [text: string, problem: string][] = [
    ['', 'config.yaml: the file is empty'],
    ['# nothing yet\n', 'config.yaml: the file is empty'],
    ['log:\n  level: info\n  level: warn\n', 'config.yaml:3:3: the key level is given twice'],
    ['log:\n\tlevel: info\n', 'config.yaml:2:1: Tabs are not allowed as indentation'],
    ['log: !secret x\n', 'config.yaml:1:6: Unresolved tag: !secret'],
    ['log: {}\n---\nlog: {}\n', 'config.yaml:2:1: a second document begins, only one is allowed'],
  ]
  for (const [text, problem] of cases) t.match(problems({}, shipped, text), [problem])
})

test('anchors and aliases are followed', async (t) => {
  const text = shipped
    .replace('${HTTP_ADDR:0.0.0.0:8000}', '&addr localhost:0')
    .replace('${GRPC_ADDR:0.0.0.0:9000}', '*addr')
  t.equal(loadConf({ text, origin: 'config.yaml' }, {}).server.grpc.addr, 'localhost:0')
})

/** A message of any type from one line of YAML. */
function decodeLine<Desc extends DescMessage>(schema: Desc, text: string) {
  return decode(schema, { file: { text, origin: 'c' }, env: {} }).message
}

test('a duration is a number of seconds', async (t) => {
  t.match(
    decodeLine(RetryInfoSchema, 'retry_delay: ${DELAY:1.5s}').retryDelay,
    durationFromMs(1500),
  )
  t.throws(() => decodeLine(RetryInfoSchema, 'retry_delay: 1'), {
    message: 'c: retry_delay: found 1, allowed is a duration in seconds, such as 1s or 0.5s',
  })
})

test('a type that no setting has yet is judged by protojson', async (t) => {
  t.match(decodeLine(BadRequestSchema, 'field_violations: [{field: a}]').fieldViolations, [
    { field: 'a' },
  ])
  t.throws(() => decodeLine(BadRequestSchema, 'field_violations: [{field: 1}]'), {
    name: 'ConfError',
    message: /^c: .*google.rpc.BadRequest.FieldViolation.field/,
  })
})

test('the values of a map have types, and each that is wrong is named', async (t) => {
  t.same(decodeLine(ErrorInfoSchema, 'metadata: {a: "${A:b}"}').metadata, { a: 'b' })
  t.throws(() => decodeLine(ErrorInfoSchema, 'metadata: {a: 1, b: b, c: [2]}'), {
    message:
      'c: metadata["a"]: found 1, allowed is a text, in quotes if it looks like something else\n' +
      'c: metadata["c"]: found a list, allowed is a text, in quotes if it looks like something else',
  })
  t.throws(() => decodeLine(ErrorInfoSchema, 'metadata: none'), {
    message: /^c: metadata: found the text "none", allowed is a mapping/,
  })
})

test('a number of a variable may have an exponent, as Helm writes small ones', async (t) => {
  const { tracing } = loadConf({ text: shipped, origin: 'c' }, { TRACING_RATIO: '1e-05' })
  t.equal(tracing.sampling.ratio, 0.00001)
})

test('wrong keys, wrong types and broken rules are told together, each once', async (t) => {
  const env = { DB_POOL_SIZE: 'ten', LOG_LEVEL: 'verbose', HTTP_ADDR: '8000', TIMEOUT: '5' }
  t.match(problems(env, '  reflection:', '  reflexion:'), [
    'server.timeout (TIMEOUT): found the text "5", allowed is a duration',
    'server.reflexion: unknown key, did you mean reflection?',
    'data.database.pool_size (DB_POOL_SIZE): found the text "ten"',
    'server.http.addr (HTTP_ADDR): found "8000", must be host:port',
    'log.level (LOG_LEVEL): found "verbose"',
  ])
})

test('what a file leaves out has its default, and a wrong value names the file that gave it', async (t) => {
  const defaults = { text: shipped, origin: 'defaults.yaml' }
  const file = { text: 'log: {level: warn}', origin: 'mine.yaml' }
  const conf = loadConf(file, {}, defaults)
  t.match(conf.log, { level: 'warn', format: 'auto' })
  t.equal(conf.server.http.addr, '0.0.0.0:8000')
  t.throws(() => loadConf(file, { DB_POOL_SIZE: '0' }, defaults), {
    message: /^defaults.yaml: data.database.pool_size \(DB_POOL_SIZE\): found 0/,
  })
  t.throws(() => loadConf({ text: 'log: {level: no}', origin: 'mine.yaml' }, {}, defaults), {
    message: /^mine.yaml: log.level: found "no"/,
  })
})

test('a file that is something else has its first problems told, and their number', async (t) => {
  const page = '<p>hello: {world} [x]</p>\n'.repeat(1000)
  const refused = t.throws(() => loadConf({ text: page, origin: 'page.html' }, {})) as ConfError
  t.equal(refused.problems.length, 101)
  t.match(refused.message, /^page\.html:1:\d+: .*\nand \d{3,} more$/s)
})

// The type Conf promises that no part is missing: this is what makes it true.
test('each message field of the configuration is required', async (t) => {
  const check = (message: DescMessage): void => {
    for (const field of message.fields) {
      if (field.fieldKind !== 'message') continue
      t.equal(getOption(field, fieldRules).required, true, field.toString())
      check(field.message)
    }
  }
  check(ConfSchema)
})
