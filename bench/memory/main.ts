// What the release of memory when idle costs the calls after it, and what it gives back. Both sides are
// the service on SQLite, in turns: a warm-up, a burst, a pause without calls, then calls one at a time.
// Costs are CPU time of the process, so that other work on the machine counts for little.
// usage: npm run bench:memory [rounds]
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { cpuNs } from '../measure/process-cpu.ts'
import { type Service, startService } from '../tracing/service.ts'
import { median } from '../measure/statistics.ts'

const rounds = Number(process.argv[2] ?? 5)
const warmUpCalls = 5000
/** Pipelined on one connection, which makes more garbage than anything else that a client can do. */
const burstCalls = 16_000
/** Long enough for the release: it comes after three looks, one a second. */
const pauseMs = 5000
const parts = [100, 400, 1500] as const
const request = 'GET /v1/users?page_size=1 HTTP/1.1\r\nHost: bench\r\n\r\n'
const sides = { kept: 'false', released: 'true' }

type Figures = Record<string, number>

/** One connection, on which `call` sends so many requests at once and waits for their answers. */
async function connect(service: Service) {
  const { hostname, port } = new URL(service.rest)
  const socket = net.connect(Number(port), hostname)
  await once(socket, 'connect')
  let open = 0
  let done = Promise.withResolvers<void>()
  let rest = ''
  const status = 'HTTP/1.1 200'
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    const text = rest + chunk
    open -= text.split(status).length - 1
    // A status line may come in two parts.
    rest = text.slice(
      Math.max(text.lastIndexOf(status) + status.length, text.length - status.length),
    )
    if (open === 0) done.resolve()
  })
  async function call(count: number): Promise<void> {
    open = count
    done = Promise.withResolvers()
    socket.write(request.repeat(count))
    await done.promise
  }
  return { call, close: () => socket.destroy() }
}

type Client = Awaited<ReturnType<typeof connect>>

/** CPU time of a call in µs, when so many are made one after the other. */
async function costOf({ pid }: Service, { call }: Client, calls: number): Promise<number> {
  const before = cpuNs(pid)
  for (let i = 0; i < calls; i += 1) await call(1)
  return (cpuNs(pid) - before) / calls / 1000
}

function residentMiB({ pid }: Service): number {
  const [, kib] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kib) / 1024
}

async function measure(release: string): Promise<Figures> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-memory-'))
  const service = await startService({
    SQLITE_PATH: join(folder, 'users.db'),
    MEMORY_RELEASE_WHEN_IDLE: release,
  })
  try {
    const client = await connect(service)
    for (let i = 0; i < warmUpCalls; i += 100) await client.call(100)
    // The first look at the memory decides what counts as more.
    await sleep(pauseMs)
    const figures: Figures = { 'µs a call, before': await costOf(service, client, 1000) }
    // Pipelined calls wait 4096 at most.
    for (let i = 0; i < burstCalls; i += 4000) await client.call(4000)
    figures['MiB after the burst'] = residentMiB(service)
    await sleep(pauseMs)
    figures['MiB after the pause'] = residentMiB(service)
    for (const calls of parts)
      figures[`µs a call, next ${calls}`] = await costOf(service, client, calls)
    client.close()
    return figures
  } finally {
    service.stop()
    rmSync(folder, { recursive: true })
  }
}

const results: Record<string, Figures[]> = { kept: [], released: [] }
for (let round = 0; round < rounds; round += 1)
  for (const [side, release] of Object.entries(sides)) results[side]?.push(await measure(release))
const names = Object.keys(results.kept?.[0] ?? {})
for (const name of names) {
  const [kept, released] = Object.values(results).map((figures) =>
    median(figures.map((each) => each[name] ?? Number.NaN)).toFixed(0),
  )
  console.log(`${name.padEnd(24)} kept ${kept?.padStart(6)}   released ${released?.padStart(6)}`)
}
