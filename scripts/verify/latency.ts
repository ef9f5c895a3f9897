import http from 'node:http'

const rounds = 20
const callsPerRound = 300
const atOnce = 8

/** Milliseconds of a GET over a connection that is kept. */
async function timed(agent: http.Agent, url: string): Promise<number> {
  const begin = performance.now()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  http
    .get(url, { agent, timeout: 10_000 }, (answer) => {
      if (answer.statusCode === 200) answer.resume().once('end', resolve)
      else reject(new Error(`${url} answers ${answer.statusCode}`))
    })
    .once('error', reject)
    .once('timeout', () => reject(new Error(`${url} does not answer`)))
  await promise
  return performance.now() - begin
}

/** The times of one round of calls. */
async function round(agent: http.Agent, url: string): Promise<number[]> {
  const times: number[] = []
  async function caller(): Promise<void> {
    for (let call = 0; call < callsPerRound / atOnce; call += 1) times.push(await timed(agent, url))
  }
  await Promise.all(Array.from({ length: atOnce }, caller))
  return times
}

const p99 = (times: number[]) =>
  times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? 0

/**
 * The p99 of calls to `url` as a ratio to that of `other`, and that of `other` to itself: what the machine
 * does to two series that are alike. The three take turns, so that other work on the machine meets all.
 */
export async function latencyRatios(url: string, other: string) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: atOnce })
  const series = [other, url, other].map((target) => ({ target, times: [] as number[] }))
  for (let turn = 0; turn <= rounds; turn += 1)
    for (const { target, times } of turn % 2 === 0 ? series : series.toReversed()) {
      const taken = await round(agent, target)
      // The first one warms up.
      if (turn > 0) times.push(...taken)
    }
  agent.destroy()
  const [first = 0, own = 0, again = 0] = series.map(({ times }) => p99(times))
  const base = (first + again) / 2
  return { ratio: own / base, control: Math.max(first, again) / Math.min(first, again) }
}
