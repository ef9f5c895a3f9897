// Walks through the service by grpcurl and `buf curl`: what it serves, calls, and an error with
// details,
// in clear text and by TLS, with no proto file.
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { find, MissingTool, run } from './command.ts'
import { startService, temporaryFolder } from './service.ts'

const root = join(import.meta.dirname, '../..')
const cache = join(root, 'node_modules/.cache/verify')
const grpcurlModule = 'github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3'

/** How a client connects: flags and the form of the address. */
interface Way {
  flags: string[]
  url: string
  address: string
}

type Walk = (program: string, way: Way) => Promise<number>

/** Runs a command and demands that each pattern is in its output. */
async function shows(command: string[], patterns: RegExp[], failing = false): Promise<void> {
  const output = await run(command, {
    cwd: root,
    shown: false,
    ...(failing && { allowed: Array.from({ length: 255 }, (_, code) => code + 1) }),
  })
  const missing = patterns.filter((pattern) => !pattern.test(output))
  if (missing.length > 0)
    throw new Error(`${command.join(' ')}: ${missing.join(', ')} not in\n${output}`)
}

const user = JSON.stringify({ name: 'Walk', email: 'walk@example.org', phone: '+44 161 4960' })

async function walkGrpcurl(grpcurl: string, { flags, address }: Way): Promise<number> {
  const of = (...args: string[]) => [grpcurl, ...flags, ...args]
  const call = (method: string, data: string) =>
    of('-d', data, address, `api.user.v1.User/${method}`)
  const services = [/^api\.user\.v1\.User$/m, /^grpc\.health\.v1\.Health$/m]
  const reflection = [/^grpc\.reflection\.v1\.ServerReflection$/m, /^kratos\.api\.Metadata$/m]
  await shows(of(address, 'list'), [...services, ...reflection])
  await shows(of(address, 'list', 'api.user.v1.User'), [/CreateUser/, /DeleteUser/])
  await shows(of(address, 'describe', 'api.user.v1.User'), [/rpc GetUser/])
  await shows(of(address, 'describe', '.api.user.v1.GetUserRequest'), [/int64 id = 1/])
  await shows(call('CreateUser', user), [/"id": "1"/])
  await shows(call('GetUser', '{"id":1}'), [/"name": "Walk"/])
  await shows(call('UpdateUser', '{"id":1,"user":{"name":"W"}}'), [/"name": "W"/])
  await shows(call('ListUsers', '{}'), [/"total": "?1"?/])
  await shows(of(address, 'grpc.health.v1.Health/Check'), [/SERVING/])
  await shows(call('GetUser', '{"id":42}'), [/NotFound/, /USER_NOT_FOUND/, /ErrorInfo/], true)
  await shows(call('CreateUser', user), [/AlreadyExists/, /USER_ALREADY_EXISTS/], true)
  await shows(call('CreateUser', '{"name":" "}'), [/InvalidArgument/, /BadRequest/], true)
  await shows(of(address, 'api.user.v1.User/None'), [/does not include a method/], true)
  await shows(call('DeleteUser', '{"id":1}'), [/\{\}/])
  return 14
}

async function walkBuf(buf: string, { flags, url }: Way): Promise<number> {
  let calls = 0
  const path = (method: string) => `${url}/api.user.v1.User/${method}`
  async function call(args: string[], patterns: RegExp[], failing = false): Promise<void> {
    await shows([buf, 'curl', ...flags, ...args], patterns, failing)
    calls += 1
  }
  await call(['--list-services', url], [/^api\.user\.v1\.User$/m, /^grpc\.health\.v1\.Health$/m])
  await call(['--list-methods', url], [/GetUser/])
  for (const protocol of ['grpc', 'grpcweb', 'connect']) {
    const by = ['--protocol', protocol]
    await call([...by, '-d', user, path('CreateUser')], [/"id"/])
    await call([...by, '-d', user, path('CreateUser')], [/already_exists/], true)
    await call([...by, '-d', '{"id":"1000"}', path('GetUser')], [/not_found/], true)
    await call([...by, '-d', '{}', path('ListUsers')], [/Walk/])
    const { id } = await firstUser([buf, 'curl', ...flags, ...by, '-d', '{}', path('ListUsers')])
    await call([...by, '-d', JSON.stringify({ id }), path('DeleteUser')], [/\{\}/])
  }
  return calls
}

async function firstUser(command: string[]): Promise<{ id: string }> {
  const { users } = JSON.parse(await run(command, { cwd: root, shown: false })) as {
    users: { id: string }[]
  }
  if (!users[0]) throw new Error('there is no user')
  return users[0]
}

/** Made by Go where it is not installed. */
async function grpcurl(): Promise<string> {
  mkdirSync(cache, { recursive: true })
  try {
    return find('grpcurl', [cache])
  } catch (err) {
    if (!(err instanceof MissingTool)) throw err
  }
  const go = findGo('grpcurl or go')
  await run([go, 'install', grpcurlModule], { env: { GOBIN: cache } })
  return find('grpcurl', [cache])
}

function findGo(wanted: string): string {
  try {
    return find('go')
  } catch {
    throw new MissingTool(wanted)
  }
}

/** A certificate for 127.0.0.1 that vouches for itself. */
function certificate(dir: string) {
  const files = { cert: join(dir, 'cert.pem'), key: join(dir, 'key.pem') }
  const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
  execFileSync(
    find('openssl'),
    [
      ...args,
      '-nodes',
      '-days',
      '1',
      '-subj',
      '/CN=127.0.0.1',
      '-addext',
      'subjectAltName=IP:127.0.0.1',
      '-keyout',
      files.key,
      '-out',
      files.cert,
    ],
    { stdio: 'pipe' },
  )
  return files
}

/** Walks in clear text and by TLS, each on a service with an empty database. */
async function walked(
  program: string,
  walk: Walk,
  flags: { plain: string[]; tls: (cert: string) => string[] },
): Promise<string> {
  using folder = temporaryFolder()
  const { cert, key } = certificate(folder.path)
  await using plain = await startService({ SQLITE_PATH: join(folder.path, 'plain.db') })
  const clear = await walk(program, {
    flags: flags.plain,
    url: `http://${plain.grpc}`,
    address: plain.grpc,
  })
  const tls = { TLS_CERT_FILE: cert, TLS_KEY_FILE: key }
  await using secure = await startService({ SQLITE_PATH: join(folder.path, 'tls.db'), ...tls })
  const encrypted = await walk(program, {
    flags: flags.tls(cert),
    url: `https://${secure.grpc}`,
    address: secure.grpc,
  })
  return `${clear} commands in clear text, ${encrypted} by TLS`
}

/** The steps of `npm run verify` with grpcurl and `buf curl`. */
export const interopSteps = [
  {
    name: 'grpcurl',
    go: async () =>
      walked(await grpcurl(), walkGrpcurl, {
        plain: ['-plaintext'],
        tls: (cert) => ['-cacert', cert],
      }),
  },
  {
    name: 'buf-curl',
    go: () =>
      walked(find('buf', [join(root, 'node_modules/.bin')]), walkBuf, {
        plain: ['--http2-prior-knowledge'],
        tls: (cert) => ['--cacert', cert],
      }),
  },
]
