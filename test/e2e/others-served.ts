import { fork } from 'node:child_process'
import { once } from 'node:events'
import http from 'node:http'
import { readdirSync, readFileSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import { test, type Test } from 'tap'
import { freshSqlitePath } from '../help/db.ts'
import { type ServiceProcess, startProcess } from '../help/process.ts'
import type { Served } from './ordinary-client.ts'
import { until } from '../help/until.ts'

export type Attack = (service: ServiceProcess, t: Test) => Promise<void>

/**
 * Others are to be served in this time, or in so many times what they have without an attack. `npm run
 * verify` asks for 100 ms; undefined on a shared machine, where no time can be asked for.
 */
const servedMs = numberOf(process.env.HOSTILE_SERVED_MS)
/** The same for what is known to take longer. */
const costlyServedMs = 5000
const slack = 8
/** The worst of the last controls counts: what else runs on the machine comes and goes. */
const controls = 4
const controlForMs = 500
/** An attack is repeated until it has lasted for so long, so that there are calls to judge by. */
const attackForMs = 1500
/** While there are calls V8 keeps what it has taken: 200 to 300 MiB after all attacks. */
const memoryMiB = 450
/** When there are none it comes back. */
const idleMemoryMiB = 80
/** The calls that the service takes at once, and some. */
const callsAtOnce = 100

function numberOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text)
}

/** Has an ordinary client in another process; gives how it was served since it was asked before. */
async function ordinaryClient(t: Test, { rest, rpc }: ServiceProcess) {
  const program = new URL('./ordinary-client.ts', import.meta.url)
  const child = fork(program, [rest, rpc])
  t.teardown(() => child.kill('SIGKILL'))
  async function served(): Promise<Served> {
    child.send('')
    const [answer] = (await once(child, 'message', { signal: AbortSignal.timeout(60_000) })) as [
      Served,
    ]
    return answer
  }
  let first = 0
  await until('the first calls', async () => {
    const { calls } = await served()
    first += calls
    return first >= 8
  })
  return { served, leave: () => child.kill('SIGKILL') }
}

/** Takes what an attacker takes of the machine, which has perhaps two cores, without attacking. */
async function busyWithoutAttack(): Promise<void> {
  const until = performance.now() + controlForMs
  while (performance.now() < until) {
    const slice = performance.now() + 5
    while (performance.now() < slice);
    await turn()
  }
}

/** How the client is served while the machine is as busy, and nobody attacks. */
async function control(served: () => Promise<Served>): Promise<Served> {
  await served()
  await busyWithoutAttack()
  return served()
}

/** Resident memory in MiB, as Linux tells it. */
function residentMiB(pid: number): number {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1])
  return (pages * 4096) / 1024 / 1024
}

function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

/** Of a call on a connection of its own. */
async function statusOf(url: string): Promise<number | undefined> {
  const request = http.get(url, { agent: false })
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  response.resume()
  return response.statusCode
}

/**
 * Runs each attack against one service, in turn, and demands after each that others were served all
 * the while, and that connections, memory and room for calls are back. Those named in `costly` are
 * known to take longer than a machine of their own would excuse; docs/testing.md says why.
 */
export function othersAreServedDuring(
  attacks: Record<string, Attack>,
  costly: readonly string[] = [],
): void {
  test('others are served while somebody', async (t) => {
    const service = await startProcess(t, {
      SQLITE_PATH: freshSqlitePath(t),
      MEMORY_RELEASE_WHEN_IDLE: 'true',
      // As long as its clients wait: a busy machine is no reason for a 504.
      TIMEOUT: '20s',
    })
    const { served, leave } = await ordinaryClient(t, service)
    // Its first calls make the service warm.
    await busyWithoutAttack()
    const files = openFiles(service.pid)
    const memory = residentMiB(service.pid)
    const quiet: number[] = []
    for (const [name, attack] of Object.entries(attacks))
      await t.test(name, async (t) => {
        quiet.push((await control(served)).p99Ms)
        const end = performance.now() + attackForMs
        do await attack(service, t)
        while (performance.now() < end)
        const attacked = await served()
        quiet.push((await control(served)).p99Ms)
        const controlMs = Math.max(...quiet.slice(-controls))
        t.same(attacked.failures, [], 'others are served')
        t.ok(attacked.calls > 0)
        if (servedMs !== undefined) {
          const boundMs = Math.max(
            costly.includes(name) ? costlyServedMs : servedMs,
            slack * controlMs,
          )
          t.ok(attacked.p99Ms <= boundMs, `p99 of ${attacked.p99Ms} ms, control ${controlMs} ms`)
        }
        await until('the ends of all connections', () => openFiles(service.pid) <= files + 5)
        const grown = () => residentMiB(service.pid) - memory
        await until(`less than ${memoryMiB} MiB more`, () => grown() < memoryMiB)
        const calls = Array.from({ length: callsAtOnce }, () =>
          statusOf(`${service.rest}/v1/users`),
        )
        t.same([...new Set(await Promise.all(calls))], [200], 'there is room for calls')
        report(t, { controlMs, attacked, grown: grown() })
      })
    leave()
    const grown = () => residentMiB(service.pid) - memory
    await until(`less than ${idleMemoryMiB} MiB more`, () => grown() < idleMemoryMiB)
    t.comment(`${grown().toFixed(0)} MiB more when all is over`)
    t.equal(service.stderr(), '')
  })
}

function report(
  t: Test,
  { controlMs, attacked, grown }: { controlMs: number; attacked: Served; grown: number },
) {
  const ms = (figure: number) => figure.toFixed(0)
  t.comment(
    `${attacked.calls} calls, p99 ${ms(attacked.p99Ms)} ms, slowest ${ms(attacked.slowestMs)} ms; ` +
      `control p99 ${ms(controlMs)} ms; ${ms(grown)} MiB more`,
  )
}
