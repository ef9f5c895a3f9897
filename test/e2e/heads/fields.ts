import type { Call } from './calls.ts'
import { joined, oneOf, type Random } from './random.ts'

export type Field = readonly [name: string, value: string]

/** Fields that replace those of the same name, or come beside them. */
export interface Change {
  fields: Field[]
  beside: boolean
}

type Make = (random: Random, call: Call) => Field[]

const hosts = [
  ...Array.from('ab019.:-_~%[]@/\\?#&=+ \t"<>{}|^`\'()*,;$!\xe4\xff'),
  'localhost',
  '::1',
  '%2F',
  '%00',
  '[::1]',
  ':80',
  ':99999',
  '//',
  '..',
  'http://',
  '\x01',
]
const words = [
  ...Array.from('aZ09-_.,;:=/*"\\()<>@?{}[]%+~ \t\xe4'),
  'gzip',
  'br',
  'zstd',
  'deflate',
  'identity',
  'chunked',
  'trailers',
  'utf-8',
  'utf-16',
  'application/json',
  'text/html',
  '*/*',
  ';q=0',
  ';q=0.5',
  ';q=1',
  ';q=2',
  'q=',
  ', ',
]
const digits = [...Array.from('0123456789'), '000', '999', '-', '+', '.', 'e', ' ']

/** Fields whose values are of this list, or of random pieces. */
const among =
  (name: string, values: readonly string[], pieces = words): Make =>
  (random) => [[name, random(4) === 0 ? joined(random, pieces, 6) : oneOf(random, values)]]

/** The same for calls that are not compressed, whose bytes would be of no other coding. */
const unlessOwn =
  (name: string, values: readonly string[]): Make =>
  (random, call) =>
    name in call.headers ? [] : among(name, values)(random, call)

const codings = [
  'gzip',
  'br',
  'identity',
  '',
  '*',
  'gzip, br',
  'GZIP',
  'gzip;q=0',
  'identity;q=0',
  '*;q=0',
  'zstd',
  'deflate',
  'gzip;q=1.0, identity; q=0.5, *;q=0',
  'x-gzip',
  ',,gzip,,',
]
const parameters = [
  '',
  ';',
  ' ;',
  '; ',
  ';;',
  '; charset=utf-8',
  ';charset="UTF-8"',
  '; charset=utf8',
  '; charset=latin1',
  '; charset',
  '; charset=',
  '; =',
  '; q=0.1',
  '; boundary="a;b"',
  '; v=1',
  '; charset=utf-8; charset=utf-8',
  '; charset=utf-8; charset=utf-16',
  ', text/a',
  ';proto=api.user.v1.User',
  '; messageType="a.b"',
  '\t;\ta=b',
  '; a="\\""',
]

const contentTypes: Make = (random, { headers }) => {
  const { 'content-type': type } = headers
  if (type === undefined) return [['content-type', oneOf(random, ['text/plain', '', 'a/b; c'])]]
  const spelled = random(4) === 0 ? type.toUpperCase() : type
  const more = random(4) === 0 ? `;${joined(random, words, 5)}` : oneOf(random, parameters)
  return [['content-type', spelled + more]]
}

const options = ['te', 'upgrade', 'HTTP2-Settings', 'keep-alive', 'content-type', 'host', ', ']

const timeouts: Record<string, readonly string[]> = {
  'grpc-timeout': ['1H', '30M', '99999999H', '20S', '99999999n', '0m', '1n', '100m', '5', 'm', ''],
  'connect-timeout-ms': ['30000', '9999999999', '0', '1', '99999999999', '10s', '', '1.5', '-1'],
  'x-server-timeout': ['30', '9999999999', '0', '0.001', '1.5', '1e3', '', 'one', '-1', '.5'],
}

const makers: Make[] = [
  (random) => [['host', joined(random, hosts, 7)]],
  among('expect', ['100-continue', '100-Continue', '', '200-ok', '100-continue, a', 'a=b;c']),
  among('te', ['trailers', '', 'gzip', 'trailers, deflate;q=0.5', 'TRAILERS', 'trailers;q=0']),
  among('transfer-encoding', ['chunked', 'Chunked', 'gzip, chunked', 'identity', '', 'gzip']),
  contentTypes,
  contentTypes,
  among('accept', ['*/*', 'text/html', 'application/json', '', '*/*;q=0', 'application/*;q=0.1']),
  among('accept', ['application/json;q=0', 'application/grpc', 'a', 'application/json;a="b,c"']),
  among('accept-encoding', codings),
  among('grpc-accept-encoding', codings),
  among('connect-accept-encoding', codings),
  among('accept-charset', ['utf-8', 'latin1', '*', 'utf-8;q=0', '']),
  among('accept-language', ['de', '*', '', 'de-AT;q=0.1']),
  ...Object.entries(timeouts).map(([name, values]) => among(name, values, digits)),
  among('connect-protocol-version', ['1', '2', '', '01', '1, 1']),
  among('user-agent', ['', 'curl/8', 'grpc-go/1.80', 'a'.repeat(300)]),
  among('traceparent', [`00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, '', '00', 'ff-0-0-0']),
  among('baggage', ['a=b', 'trace.priority=high', '=', 'a=%zz', ',']),
  among('x-trace-priority', ['high', '1', '']),
  among('upgrade', ['h2c', 'websocket', 'TLS/1.0, h2c', '']),
  (random) => [['connection', `close, ${joined(random, [...words, ...options], 4)}`]],
  unlessOwn('content-encoding', ['identity', '', 'IDENTITY', 'gzip, identity']),
  unlessOwn('grpc-encoding', ['identity', '', 'IDENTITY', 'zstd']),
  among('range', ['bytes=0-0', 'bytes=5-', 'a']),
  among('trailer', ['grpc-status', 'x', '']),
  among('x-http-method-override', ['DELETE', 'PUT', '']),
  among('x-forwarded-for', ['1.2.3.4', '::1', 'unknown']),
  among('cookie', ['a=b', 'a=b; c="d', '']),
  among('content-language', ['de', '']),
  among('grpc-message-type', ['api.user.v1.GetUserRequest', '']),
  among('x-grpc-web', ['1', '0', '']),
  among('x-user-agent', ['grpc-web-javascript/0.1']),
  among('sec-fetch-site', ['none', 'same-origin', 'cross-site']),
  among('x-bytes-bin', ['AP8=', '!', 'AP8', 'AP8, AP8']),
  (random) => [[`x-${joined(random, ['a', '-', '_', '.', '0', '~', '!'], 6)}a`, 'value']],
  (random) => Array.from({ length: random(60) }, (_, at) => [`x-many-${at}`, 'v'] as const),
]

/** What is changed of the fields of a call: one to three kinds of fields. */
export function changeOf(random: Random, call: Call): Change {
  const kinds = Array.from({ length: 1 + random(3) }, () => oneOf(random, makers))
  return { fields: kinds.flatMap((make) => make(random, call)), beside: random(10) === 0 }
}

/** The fields of a call with a change. */
export function changed(own: readonly Field[], { fields, beside }: Change): Field[] {
  const names = new Set(fields.map(([name]) => name))
  return [...own.filter(([name]) => beside || !names.has(name)), ...fields]
}
