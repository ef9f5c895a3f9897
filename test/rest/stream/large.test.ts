import { type ChildProcess, fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { before, test, type Test } from 'tap'
import { type Protocol, protocols } from '../listen.ts'
import { begin, type OpenExchange } from './client.ts'
import { chunkAt, countsOf, lineAt } from './large.ts'

/** `npm run verify -- streams` has 1024. */
const mebibytes = Number(process.env.STREAM_MIB ?? 24)
const counts = countsOf(mebibytes * 1024 * 1024)
const maxRss = 150_000_000
const compiled = join(import.meta.dirname, '../../../node_modules/.cache/compile-streams')
const patient = { timeout: 900_000 }

/** A server without what tap puts around its tests, with the flag of `npm start` and a compile cache. */
function forked(): ChildProcess {
  return fork(join(import.meta.dirname, 'large-server.ts'), {
    execArgv: ['--max-semi-space-size=8'],
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: compiled },
  })
}

// A start that compiles needs more memory than any that follows.
before(async () => {
  const child = forked()
  await once(child, 'message')
  child.disconnect()
  await once(child, 'exit')
})

async function serverOf(t: Test) {
  const child = forked()
  t.teardown(() => child.kill('SIGKILL'))
  const told = async () =>
    ((await once(child, 'message')) as [{ port: number; maxRss: number }, unknown])[0]
  const { port } = await told()
  return {
    port,
    async maxRss() {
      const answer = told()
      child.send('memory')
      return (await answer).maxRss
    },
  }
}

function* linesOf(count: number) {
  for (let from = 0; from < count; from += 64) {
    const upTo = Math.min(count, from + 64)
    yield Array.from({ length: upTo - from }, (_, index) => lineAt(from + index)).join('')
  }
}

function* chunksOf(count: number) {
  for (let index = 0; index < count; index += 1) yield chunkAt(index)
}

function digestOf(parts: Iterable<string | Uint8Array>): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

type Ways = (t: Test, protocol: Protocol, port: number) => Promise<void>

async function downloaded(
  t: Test,
  exchange: OpenExchange,
  parts: Iterable<string | Uint8Array>,
): Promise<void> {
  const answer = await exchange.answer
  t.equal(answer.status, 200)
  const hash = createHash('sha256')
  await pipeline(answer.body, hash)
  t.equal(hash.digest('hex'), digestOf(parts))
}

async function uploaded(
  { request, answer }: OpenExchange,
  parts: Iterable<string | Uint8Array>,
): Promise<unknown> {
  await pipeline(Readable.from(parts), request)
  return JSON.parse((await (await answer).rest()).text) as unknown
}

const ways: Record<string, Ways> = {
  'of messages to the client': (t, protocol, port) => {
    const headers = { accept: 'application/x-ndjson' }
    const asked = { target: `/v1/den/events?count=${counts.lines}`, headers }
    return downloaded(t, begin(t, protocol, port, asked), linesOf(counts.lines))
  },
  'of bytes to the client': (t, protocol, port) => {
    const asked = { target: `/v1/den/file?count=${counts.chunks}` }
    return downloaded(t, begin(t, protocol, port, asked), chunksOf(counts.chunks))
  },
  'of messages from the client': async (t, protocol, port) => {
    const headers = { 'content-type': 'application/x-ndjson' }
    const asked = { method: 'POST', target: '/v1/den/items', headers }
    const answer = await uploaded(begin(t, protocol, port, asked), linesOf(counts.lines))
    t.match(answer, { count: counts.lines })
  },
  'of bytes from the client': async (t, protocol, port) => {
    const headers = { 'content-type': 'application/octet-stream' }
    const asked = { method: 'PUT', target: '/v1/den/file', headers }
    const answer = await uploaded(begin(t, protocol, port, asked), chunksOf(counts.chunks))
    t.match(answer, { texts: [digestOf(chunksOf(counts.chunks))] })
  },
}

for (const protocol of protocols)
  for (const [way, pass] of Object.entries(ways))
    test(`${mebibytes} MiB ${way} pass in little memory over ${protocol}`, patient, async (t) => {
      const server = await serverOf(t)
      await pass(t, protocol, server.port)
      const rss = await server.maxRss()
      t.comment(`most memory: ${Math.round(rss / 1e6)} MB`)
      t.ok(rss < maxRss, `${Math.round(rss / 1e6)} MB`)
    })
