// Counts the functions of src/ that one GetUser runs, by V8's coverage of the running service:
// `node bench/functions/main.ts [FOLDER]`, where FOLDER is the checkout to look at (this one).
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { startArguments } from '../../scripts/start-arguments.ts'

interface Coverage {
  result: {
    url: string
    functions: { functionName: string; ranges: { startOffset: number; count: number }[] }[]
  }[]
}

const folder = resolve(process.argv[2] ?? join(import.meta.dirname, '../..'))
const data = mkdtempSync(join(tmpdir(), 'functions-'))
const service = spawn(process.execPath, ['--inspect=127.0.0.1:0', ...startArguments(folder)], {
  cwd: folder,
  env: {
    ...process.env,
    DB_DSN: '',
    SQLITE_PATH: join(data, 'users.db'),
    HTTP_ADDR: '127.0.0.1:0',
    GRPC_ADDR: '127.0.0.1:0',
    METRICS_ADDR: '127.0.0.1:0',
  },
  stdio: ['ignore', 'pipe', 'pipe'],
})

async function firstMatch(stream: NodeJS.ReadableStream, pattern: RegExp): Promise<string[]> {
  for await (const line of createInterface({ input: stream })) {
    const match = pattern.exec(line)
    if (match) {
      stream.resume()
      return [...match]
    }
  }
  throw new Error(`the service ended before it said ${pattern}`)
}

/** A session of the inspector's protocol. */
async function inspect(url: string) {
  const socket = new WebSocket(url)
  await once(socket, 'open')
  let last = 0
  return async function send<T>(method: string, params: object = {}): Promise<T> {
    const id = (last += 1)
    const { promise, resolve: answered } = Promise.withResolvers<T>()
    socket.addEventListener('message', function onMessage({ data: text }) {
      const message = JSON.parse(String(text)) as { id?: number; result: T }
      if (message.id !== id) return
      socket.removeEventListener('message', onMessage)
      answered(message.result)
    })
    socket.send(JSON.stringify({ id, method, params }))
    return promise
  }
}

function calledIn({ result }: Coverage): Set<string> {
  const own = result.filter(
    ({ url }) => url.includes('/src/') && !/\/(?:gen|node_modules)\//.test(url),
  )
  return new Set(
    own.flatMap(({ url, functions }) =>
      functions
        .filter(
          ({ ranges: [range] }) => range !== undefined && range.count > 0 && range.startOffset > 0,
        )
        .map(({ functionName, ranges }) => `${url} ${functionName} ${ranges[0]?.startOffset}`),
    ),
  )
}

try {
  const [[, url = ''], [, http = '', grpc = '']] = await Promise.all([
    firstMatch(service.stderr, /(ws:\/\/\S+)/),
    firstMatch(service.stdout, /"http":"([^"]+)","grpc":"([^"]+)"/),
  ])
  const send = await inspect(url)
  const take = () => send<Coverage>('Profiler.takePreciseCoverage')
  const rpc = createClient(User, createGrpcTransport({ baseUrl: `http://${grpc}` }))
  const created = await rpc.createUser({ name: 'Ann', email: 'ann@example.com' })
  await send('Profiler.enable')
  await send('Profiler.startPreciseCoverage', { callCount: true, detailed: false })
  const calls: Record<string, () => Promise<unknown>> = {
    REST: async () => (await fetch(`http://${http}/v1/users/${created.id}`)).json(),
    gRPC: () => rpc.getUser({ id: created.id }),
  }
  for (const [name, call] of Object.entries(calls)) {
    for (let n = 0; n < 200; n += 1) await call()
    await sleep(500)
    await take()
    // What timers run without a call is not the call's.
    await sleep(1000)
    const idle = calledIn(await take())
    await call()
    await sleep(200)
    const called = [...calledIn(await take())].filter((each) => !idle.has(each))
    const files = new Set(called.map((each) => each.split(' ')[0]))
    console.log(`${name}: ${called.length} functions in ${files.size} files`)
    if (process.env.LIST)
      console.log(called.map((each) => each.replace(/^.*\/src\//, '  ')).join('\n'))
  }
} finally {
  // With an inspector attached, node waits for it at the end of an orderly stop.
  service.kill('SIGKILL')
  await once(service, 'close')
  rmSync(data, { recursive: true })
}
