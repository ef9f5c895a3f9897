import { randomBytes } from 'node:crypto'
import http from 'node:http'
import t, { test } from 'tap'
import { startApp } from '../../help/app.ts'
import { audience, startIssuer } from './issuer.ts'

const runs = Number(process.env.AUTH_RUNS ?? 1000)
const seed = Number(process.env.AUTH_SEED ?? Date.now() % 2 ** 31)
t.setTimeout(900_000)

/** Numbers from 0 to 1 (mulberry32). */
function random(from: number): () => number {
  let state = from
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const names = ['authorization', 'Authorization', 'x-api-key', 'cookie', 'proxy-authorization']
const schemes = [
  'Bearer ',
  'bearer ',
  'Basic ',
  'Bearer',
  'DPoP ',
  '',
  'Bearer\t',
  'Bearer Bearer ',
]

/** Headers with a good token or key that is broken, moved or doubled somewhere. */
function broken(next: () => number, good: readonly string[]): string[] {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T
  const at = (text: string) => Math.floor(next() * text.length)
  const breaks: ((text: string) => string)[] = [
    (text) => text.slice(0, at(text)),
    (text) => text.slice(at(text) + 1),
    (text) => {
      // The last character has bits that no byte takes.
      const index = Math.floor(next() * (text.length - 1))
      const other = text[index] === 'x' ? 'y' : 'x'
      return `${text.slice(0, index)}${other}${text.slice(index + 1)}`
    },
    (text) => text.replaceAll('.', pick(['', '..', ',', ' ', ':'])),
    () => randomBytes(at('x'.repeat(60))).toString('base64url'),
    (text) => `${text}.${text}`,
    (text) => text.split('.').toReversed().join('.'),
  ]
  const count = 1 + Math.floor(next() * 2)
  return Array.from({ length: count }).flatMap(() => {
    const name = pick(names)
    const scheme = name === 'x-api-key' ? '' : pick(schemes)
    return [name, `${scheme}${pick(breaks)(pick(good))}`]
  })
}

test(`of ${runs} calls with broken credentials none is let in and none fails`, async (t) => {
  const issuer = await startIssuer(t)
  const { rest } = await startApp(t, {
    storage: 'sqlite',
    env: { AUTH_ISSUER: issuer.url, AUTH_AUDIENCE: audience },
  })
  const agent = new http.Agent({ keepAlive: true, maxSockets: 8 })
  t.teardown(() => agent.destroy())
  const status = (headers: string[]) =>
    new Promise<number | undefined>((resolve, reject) => {
      const sent = ['host', 'localhost', 'connection', 'keep-alive', ...headers]
      http
        .get(`${rest.url}/v1/users`, { agent, headers: sent }, (res) => {
          res.resume().once('end', () => resolve(res.statusCode))
        })
        .once('error', reject)
    })
  const good = [await issuer.token()]
  t.equal(await status(['authorization', `Bearer ${good[0]}`]), 200)
  const next = random(seed)
  const found: Record<string, number> = {}
  const wrong: string[][] = []
  async function work(): Promise<void> {
    for (let index = 0; index < runs / 8; index += 1) {
      const headers = broken(next, good)
      const code = await status(headers)
      found[`${code}`] = (found[`${code}`] ?? 0) + 1
      if (code !== 401) wrong.push([`${code}`, ...headers])
    }
  }
  await Promise.all(Array.from({ length: 8 }, work))
  t.same(wrong.slice(0, 3), [], `AUTH_SEED=${seed}`)
  t.comment(JSON.stringify(found))
})
