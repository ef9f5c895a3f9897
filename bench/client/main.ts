// CPU of a call through the service's client with everything on, beside Connect's own client and gRPC
// transport: `npm run bench:client`. The two take turns in one process, each with the deadline of
// the other, against the service in a process of its own.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type Client, createClient } from '@connectrpc/connect'
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node'
import { clientOf } from '../../src/client/client.ts'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { median, quartiles } from '../measure/statistics.ts'
import { startSink } from '../tracing/start-sink.ts'
import { startTelemetry } from './telemetry.ts'
import { startArguments } from '../../scripts/start-arguments.ts'

const rounds = Number(process.argv[2] ?? 40)
const callsPerRound = 500
const callers = 20
/** Beyond what a busy machine takes. */
const timeoutMs = 60_000

const folder = mkdtempSync(join(tmpdir(), 'bench-client-'))
const service = spawn(process.execPath, startArguments(), {
  cwd: join(import.meta.dirname, '../..'),
  env: {
    PATH: process.env.PATH,
    SQLITE_PATH: join(folder, 'users.db'),
    TIMEOUT: '60s',
    HTTP_ADDR: '127.0.0.1:0',
    GRPC_ADDR: '127.0.0.1:0',
    METRICS_ADDR: '',
    LOG_FORMAT: 'json',
    LOG_LEVEL: 'info',
  },
  stdio: ['ignore', 'pipe', 'inherit'],
})

async function addressOf(output: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface({ input: output })) {
    const { grpc } = JSON.parse(line) as { grpc?: string }
    if (grpc === undefined) continue
    output.resume()
    return grpc
  }
  throw new Error('the service has ended')
}

type Users = Client<typeof User>

/** Microseconds of CPU a call. */
async function cpuOf(users: Users): Promise<number> {
  let left = callsPerRound
  async function caller(): Promise<void> {
    while ((left -= 1) >= 0) await users.getUser({ id: 1n }, { timeoutMs })
  }
  const begin = process.cpuUsage()
  await Promise.all(Array.from({ length: callers }, caller))
  const { user, system } = process.cpuUsage(begin)
  return (user + system) / callsPerRound
}

const sink = await startSink()
try {
  const grpc = await addressOf(service.stdout)
  const baseUrl = `http://${grpc}`
  const telemetry = await startTelemetry(sink.url)
  const pings = { pingIntervalMs: 10_000, pingTimeoutMs: 2000 }
  const sessionManager = new Http2SessionManager(baseUrl, pings)
  // Two nodes, so that there is a choice: the same server by its name and by its address.
  const target = `direct:///${grpc},${grpc.replace('127.0.0.1', 'localhost')}`
  const bare = { retry: { attempts: 0 }, breaker: { enabled: false } }
  const sides: Record<string, Users> = {
    connect: createClient(User, createGrpcTransport({ baseUrl, sessionManager })),
    bare: clientOf(User, target, bare),
    'without telemetry': clientOf(User, target, { service: 'bench' }),
    everything: clientOf(User, target, { ...telemetry.options, service: 'bench' }),
  }
  await sides.connect?.createUser({ name: 'Ann', email: 'ann@example.org' })
  const times: Record<string, number[]> = {}
  for (let round = -5; round < rounds; round += 1)
    for (const [name, users] of Object.entries(sides)) {
      const us = await telemetry.within(() => cpuOf(users))
      if (round >= 0) (times[name] ??= []).push(us)
    }
  const base = times.connect ?? []
  for (const [name, all] of Object.entries(times)) {
    const ratio = median(all.map((us, round) => us / (base[round] ?? us)))
    console.log(
      `${name.padEnd(18)} ${quartiles(all, (us) => us.toFixed(0))} µs a call, × ${ratio.toFixed(2)}`,
    )
  }
  telemetry.check()
} finally {
  sink.stop()
  service.kill('SIGKILL')
  await once(service, 'close')
  rmSync(folder, { recursive: true })
}
process.exit(0)
