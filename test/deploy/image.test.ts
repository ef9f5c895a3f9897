import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createClient } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'
import { test, type Test } from 'tap'
import { cannotConfine, cannotLimit, runConfined } from '../../scripts/confined.ts'
import { type Image, parseDockerfile } from '../../scripts/dockerfile.ts'
import { imageTree } from '../../scripts/image.ts'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { freshMysqlDatabase } from '../help/db.ts'

const project = new URL('../../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, project), 'utf8')
const manifest = JSON.parse(read('package.json')) as {
  version: string
  devDependencies: Record<string, string>
}

const lock = JSON.parse(read('package-lock.json')) as {
  packages: Record<string, { dev?: boolean }>
}

const out = mkdtempSync(join(tmpdir(), 'user-service-image-'))
let image: Image

test('the Dockerfile builds into an empty folder', async (t) => {
  image = imageTree(out)
  t.ok(existsSync(join(out, 'app/src/start.js')))
})

test('the base image is pinned to the Node that the tests run on', async (t) => {
  const pinned = `node:${manifest.devDependencies.node}-bookworm-slim`
  t.strictSame(image.bases, [pinned, pinned])
  t.equal(image.labels['org.opencontainers.image.base.name'], `docker.io/library/${pinned}`)
  t.equal(image.labels['org.opencontainers.image.version'], manifest.version)
})

test('the image has what production needs and nothing else', async (t) => {
  t.strictSame(readdirSync(join(out, 'app')).sort(), [
    'configs',
    'data',
    'health.mjs',
    'migrations',
    'node_modules',
    'package-lock.json',
    'package.json',
    'src',
  ])
  // Some come with other packages: a peer of mysql2 brings Node's types, of which a package.json is left.
  const own = Object.keys(manifest.devDependencies).filter(
    (name) => lock.packages[`node_modules/${name}`]?.dev && !name.startsWith('@types/'),
  )
  t.ok(own.length > 10)
  for (const name of own) t.notOk(existsSync(join(out, 'app/node_modules', name)), name)
  t.strictSame(image.ports, ['8000', '9000', '9090'])
  t.match(image.user, /^[1-9]\d*:[1-9]\d*$/, 'a numeric user other than root')
})

test('whatever the Dockerfile copies reaches the builder', async (t) => {
  const patterns = read('.dockerignore').split('\n')
  const copied = parseDockerfile(read('Dockerfile'))
    .filter(({ name, flags }) => name === 'COPY' && flags.from === undefined)
    .flatMap(({ text }) => text.split(' ').slice(0, -1))
  t.ok(patterns.includes('*'))
  for (const path of copied)
    t.ok(
      patterns.some(
        (pattern) => path === pattern.slice(1) || path.startsWith(`${pattern.slice(1)}/`),
      ),
      path,
    )
})

interface Running {
  child: ChildProcess
  exit: Promise<unknown[]>
  env: Record<string, string>
  rest: string
  rpc: string
  /** What it has written to its standard error. */
  told: () => string
}

/** Starts the image's entrypoint on two free ports and waits until it serves. */
async function start(t: Test, more: Record<string, string>): Promise<Running> {
  const addr = '127.0.0.1:0'
  const env = { HTTP_ADDR: addr, GRPC_ADDR: addr, METRICS_ADDR: addr, ...more }
  const limit = cannotLimit() === '' ? { limitBytes: 256 * 2 ** 20 } : {}
  const child = runConfined(image, image.entrypoint, { env, ...limit })
  t.teardown(() => child.kill('SIGKILL'))
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const exit = once(child, 'exit')
  const serving = Promise.withResolvers<{ http: string; grpc: string }>()
  createInterface({ input: child.stdout ?? process.stdin }).on('line', (text) => {
    const line = JSON.parse(text) as { msg: string; http: string; grpc: string }
    if (line.msg.startsWith('serving')) serving.resolve(line)
  })
  void exit.then(([code]) => serving.reject(new Error(`it ended with ${code}: ${stderr}`)))
  const { http, grpc } = await serving.promise
  return {
    child,
    exit,
    env: { ...env, HTTP_ADDR: http },
    rest: `http://${http}`,
    rpc: `http://${grpc}`,
    told: () => stderr,
  }
}

async function health(env: Record<string, string>, path: string): Promise<unknown> {
  const [code] = (await once(runConfined(image, [...image.health, path], { env }), 'exit')) as [
    number,
  ]
  return code
}

const confined = { skip: cannotConfine() }

test(
  'as an unprivileged user, with nothing writable, it serves and stops in order',
  confined,
  async (t) => {
    const service = await start(t, { DB_DSN: await freshMysqlDatabase(t) })
    const status = readFileSync(`/proc/${service.child.pid}/status`, 'utf8')
    const [uid = '', gid = ''] = image.user.split(':')
    t.match(status, new RegExp(`^Uid:\\s${uid}\\s${uid}\\s`, 'm'))
    t.match(status, new RegExp(`^Gid:\\s${gid}\\s${gid}\\s`, 'm'))
    t.match(status, /^CapEff:\s0+$/m)
    t.match(status, /^NoNewPrivs:\s1$/m)
    t.match(readFileSync(`/proc/${service.child.pid}/mountinfo`, 'utf8'), /^\d+ \d+ \S+ \S+ \/ ro/m)

    const user = { name: 'Ada', email: 'ada@example.org' }
    const created = await fetch(`${service.rest}/v1/users`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(user),
    })
    const { id } = (await created.json()) as { id: string }
    const users = createClient(User, createGrpcTransport({ baseUrl: service.rpc }))
    t.match(await users.getUser({ id: BigInt(id) }), user)

    t.equal(await health(service.env, '/healthz'), 0)
    t.equal(await health(service.env, '/readyz'), 0)
    t.equal(await health(service.env, '/missing'), 1)
    service.child.kill('SIGTERM')
    t.strictSame(await service.exit, [0, null])
    t.equal(await health(service.env, '/healthz'), 1, 'nobody listens any more')
  },
)

test('a start compiles no source of the service', confined, async (t) => {
  const databases = [{ DB_DSN: await freshMysqlDatabase(t) }, { SQLITE_PATH: ':memory:' }]
  for (const database of databases) {
    // Nobody listens there.
    const tracing = { TRACING_ENDPOINT: 'http://127.0.0.1:9' }
    const service = await start(t, {
      ...tracing,
      ...database,
      NODE_DEBUG_NATIVE: 'COMPILE_CACHE',
    })
    const closed = once(service.child, 'close')
    service.child.kill('SIGTERM')
    await closed
    const read = (how: string) =>
      service
        .told()
        .match(new RegExp(`transpile cache for \\w+ \\S+/src/\\S+\\.\\.\\.${how}`, 'g')) ?? []
    t.ok(read('success').length > 300)
    t.strictSame(read('(?!success).*'), [], 'what is not there needs the compiler for TypeScript')
  }
})

test('without a DSN and without a volume it says what it cannot write', confined, async (t) => {
  const err = await t.rejects(start(t, {}))
  t.match(err, /ended with 1: user-service: .*sqlite_path.*\/data\//)
})

test('the folder is removed', async () => rmSync(out, { recursive: true }))
