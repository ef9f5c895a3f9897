import { type Test, test } from 'tap'
import { type RunningApp, startApp } from '../help/app.ts'
import { samplesOf } from '../help/exposition.ts'
import { h2Client } from './h2.ts'
import { type Call, calls } from './heads/calls.ts'
import { type Change, changeOf } from './heads/fields.ts'
import { type Outcome, outcomeOf } from './heads/outcome.ts'
import { oneOf, randoms } from './heads/random.ts'
import { sendHttp1, sendHttp2 } from './heads/send.ts'
import { until } from '../help/until.ts'

const runs = Number(process.env.HEADS_RUNS ?? 1000)
const seed = Number(process.env.HEADS_SEED ?? Date.now() % 2 ** 31)
/** Requests of one service, whose log is compared at the end. */
const perService = 1000
const atOnce = 8

/** A request, and what its client makes of the answer. */
interface Sent {
  call: Call
  change: Change
  version: 'HTTP/1.1' | 'HTTP/2'
  outcome: Outcome
}

/** Beside 4xx: a transfer coding that is not known, and a deadline that the client gives. */
function isAllowed({ outcome: { code, reason } }: Sent): boolean {
  if (code === 501) return reason === 'MALFORMED_REQUEST'
  if (code === 504) return reason === 'DEADLINE_EXCEEDED'
  return code < 500
}

const described = ({ call, version, change }: Omit<Sent, 'outcome'>) =>
  `${call.name} over ${version} with ${JSON.stringify(change)}`

async function createUsers({ rest }: RunningApp): Promise<string[]> {
  const headers = { 'content-type': 'application/json' }
  const keys: string[] = []
  for (; keys.length < 20; keys.push(keyOf('rest', 200, ''))) {
    const body = JSON.stringify({ name: 'Ada', email: `ada${keys.length}@example.com` })
    const answer = await fetch(`${rest.url}/v1/users`, { method: 'POST', headers, body })
    if (!answer.ok) throw new Error(`the user was not created: ${answer.status}`)
  }
  return keys
}

/** Sends random requests, some at once. */
async function sendMany(t: Test, app: RunningApp, count: number, from: number): Promise<Sent[]> {
  const random = randoms(from)
  const h2 = { rest: h2Client(t, app.rest.url), rpc: h2Client(t, app.rpc.url) }
  const sent: Sent[] = []
  const requests = Array.from({ length: count }, () => {
    const call = oneOf(random, calls)
    const version = call.onlyHttp2 || random(2) === 0 ? 'HTTP/2' : 'HTTP/1.1'
    return { call, version, change: changeOf(random, call) } as const
  }).values()

  async function work(): Promise<void> {
    for (const request of requests) {
      const { call, change, version } = request
      try {
        const answer =
          version === 'HTTP/2'
            ? await sendHttp2(h2[call.port], call, change)
            : await sendHttp1(app, call, change)
        sent.push({ ...request, outcome: outcomeOf(call, answer) })
      } catch (err) {
        t.fail(`${described(request)}: ${String(err)}`)
      }
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  return sent
}

/** What client, log and metrics know of an exchange. */
const keyOf = (...facts: unknown[]) => facts.join(' ')

/** Over gRPC the status of the log may say more than the code, which is what clients see. */
const asSeen = (key: string) => key.replace(/^(grpc\S*) [45]\d\d /, '$1 error ')

function countsOf(keys: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const key of keys.toSorted()) counts[key] = (counts[key] ?? 0) + 1
  return counts
}

/** The keys of all exchanges by the log, once so many have ended. A stream has a line at its begin, too. */
async function loggedKeys(app: RunningApp, count: number): Promise<string[]> {
  const lines = () => app.log().filter(({ kind, msg }) => kind === 'server' && msg !== 'stream')
  await until(`${count} lines of the log`, () => lines().length >= count)
  return lines().map((line) => keyOf(line['protocol'], line['code'], line['reason']))
}

async function countedKeys(app: RunningApp): Promise<string[]> {
  const samples = await samplesOf(app.metrics, 'server_requests_code_total')
  return samples.flatMap(({ labels: { kind, code, reason }, value }) =>
    Array.from({ length: value }, () => keyOf(kind === 'http' ? 'rest' : kind, code, reason)),
  )
}

test(`no header makes a failure, or a success without its message (seed ${seed})`, async (t) => {
  for (let done = 0; done < runs; done += perService)
    await t.test(`HEADS_SEED=${seed + done}`, async (t) => {
      const app = await startApp(t, { storage: 'sqlite', measured: true })
      const created = await createUsers(app)
      const sent = await sendMany(t, app, Math.min(perService, runs - done), seed + done)
      const failures = sent.filter((each) => !isAllowed(each))
      t.strictSame(failures.map(described), [])
      const succeeded = sent.filter(({ outcome }) => outcome.code === 200)
      t.ok(succeeded.length > sent.length / 2, 'more than half of the calls succeed')
      const seen = sent.map(({ outcome: { protocol, code, reason } }) =>
        keyOf(protocol, code, reason),
      )
      const all = [...created, ...seen].map(asSeen)
      const logged = await loggedKeys(app, all.length)
      t.strictSame(countsOf(logged.map(asSeen)), countsOf(all), 'the log says what clients saw')
      t.strictSame(countsOf(await countedKeys(app)), countsOf(logged), 'the metrics, too')
      // At a deadline the service has not done what it was to do.
      const errors = app.log().filter((line) => line.level === 'error' && line['code'] !== 504)
      t.strictSame(errors, [], 'the log has no failure of the service')
    })
})
