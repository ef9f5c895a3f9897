import { fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { test, type Test } from 'tap'
import { protocols } from '../listen.ts'
import { begin } from './client.ts'
import { chunkAt, countsOf, lineAt } from './large.ts'

/** `npm run verify -- streams` has 1024. */
const mebibytes = Number(process.env.STREAM_MIB ?? 24)
const counts = countsOf(mebibytes * 1024 * 1024)
const maxRss = 150_000_000

async function serverOf(t: Test) {
  const child = fork(join(import.meta.dirname, 'large-server.ts'), {
    // Without what tap puts around its tests. With the default of 16 MB V8 collects after 64 MB of
    // buffers, so that there are 80 MB more, however large the body is.
    execArgv: ['--max-semi-space-size=2'],
    env: { PATH: process.env.PATH },
  })
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

for (const protocol of protocols)
  test(
    `${mebibytes} MiB pass each way in little memory over ${protocol}`,
    { timeout: 900_000 },
    async (t) => {
      const server = await serverOf(t)
      const { port } = server

      async function downloaded(target: string, accept: string): Promise<string> {
        const answer = await begin(t, protocol, port, { target, headers: { accept } }).answer
        t.equal(answer.status, 200)
        const hash = createHash('sha256')
        await pipeline(answer.body, hash)
        return hash.digest('hex')
      }
      async function uploaded(
        asked: { method: string; target: string; type: string },
        parts: Iterable<string | Uint8Array>,
      ): Promise<unknown> {
        const { method, target, type } = asked
        const headers = { 'content-type': type }
        const { request, answer } = begin(t, protocol, port, { method, target, headers })
        await pipeline(Readable.from(parts), request)
        return JSON.parse((await (await answer).rest()).text) as unknown
      }

      const events = `/v1/den/events?count=${counts.lines}`
      t.equal(await downloaded(events, 'application/x-ndjson'), digestOf(linesOf(counts.lines)))
      const file = `/v1/den/file?count=${counts.chunks}`
      t.equal(await downloaded(file, '*/*'), digestOf(chunksOf(counts.chunks)))
      const items = { method: 'POST', target: '/v1/den/items', type: 'application/x-ndjson' }
      t.match(await uploaded(items, linesOf(counts.lines)), { count: counts.lines })
      const put = { method: 'PUT', target: '/v1/den/file', type: 'application/octet-stream' }
      t.match(await uploaded(put, chunksOf(counts.chunks)), {
        texts: [digestOf(chunksOf(counts.chunks))],
      })
      const rss = await server.maxRss()
      t.comment(`most memory: ${Math.round(rss / 1e6)} MB`)
      t.ok(rss < maxRss, `${Math.round(rss / 1e6)} MB`)
    },
  )
