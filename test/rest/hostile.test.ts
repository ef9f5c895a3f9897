import type { AddressInfo } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { test, type Test } from 'tap'
import type { Message } from '@bufbuild/protobuf'
import { requestBytes } from '../e2e/raw.ts'
import type { RawRequest } from '../e2e/raw.ts'
import { brokenRequest, picker } from './broken.ts'
import { serviceIn, testProtos } from './descriptors.ts'
import { type Answer, pipeline } from './pipeline.ts'
import { limits } from './listen.ts'
import { admission } from '../../src/server/admission.ts'
import { httpServer } from '../../src/server/http.ts'
import { readiness } from '../../src/server/readiness.ts'

/** More of them, or those of a failure again: REST_BROKEN=1000000 REST_SEED=42. */
const count = Number(process.env.REST_BROKEN ?? 100_000)
const seed = Number(process.env.REST_SEED ?? Date.now() % 2 ** 31)
const lanes = 4

const echo = serviceIn(testProtos(), 'test.rest.v1.Echo')
const methods = Object.fromEntries(
  echo.methods.map(({ localName }) => [localName, (message: Message) => message]),
)

/** The REST port as the service has it, with Echo in the place of its own methods. */
async function serveEcho(t: Test): Promise<number> {
  const app = httpServer(
    {
      routes: (router) => router.service(echo, methods as never),
      interceptors: [],
      observers: [],
      limits: { ...limits, maxBodyBytes: 1024 * 1024 },
      admission: admission(1000),
      tls: undefined,
      origins: [],
    },
    readiness({}),
  )
  t.teardown(() => app.close())
  await app.listen({ port: 0, host: '127.0.0.1' })
  return (app.server.address() as AddressInfo).port
}

/** What is wrong with an answer; undefined if nothing is. */
function fault({ status, head, body }: Answer): string | undefined {
  if (status >= 200 && status < 300) return status === 204 || isJson(body) ? undefined : 'no JSON'
  if (status === 304) return undefined
  if (status < 400 || status > 499) return 'neither 2xx nor 4xx'
  if (!/\r\ncontent-type: application\/(?:proto)?json(?:\r|$)/i.test(head)) return 'no JSON'
  if (!isJson(body)) return 'no JSON'
  const error = JSON.parse(body) as Record<string, unknown>
  if (Object.keys(error).join() !== 'code,reason,message,metadata') return 'another body'
  return error.code === status ? undefined : 'another code in the body'
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function heapMiB(): number {
  collect()
  return process.memoryUsage().heapUsed / 2 ** 20
}

test(`${count} random or broken requests get 2xx or 4xx in the one body, none hangs, memory stays`, async (t) => {
  const port = await serveEcho(t)
  const faults: string[] = []
  const statuses = new Map<number, number>()

  /** Requests with their answers, in order, down some connections at once. */
  async function run(part: number, amount: number): Promise<void> {
    const connections = Array.from({ length: lanes }, (_, lane) => {
      const pick = picker(seed + part * lanes + lane)
      const open: RawRequest[] = []
      const requests = (function* () {
        for (let i = 0; i < amount / lanes && faults.length < 20; i += 1) {
          const request = brokenRequest(pick)
          open.push(request)
          yield requestBytes(request)
        }
      })()
      return pipeline(port, requests, (answer) => {
        const request = open.shift()
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
        const wrong = fault(answer)
        if (wrong)
          faults.push(`${wrong}: ${tell(request)}\n→ ${answer.status} ${tell(answer.body)}`)
      }).catch((err: unknown) => {
        throw new Error(`REST_SEED=${seed}: ${String(err)}: ${tell(open[0])}`)
      })
    })
    await Promise.all(connections)
  }

  await run(0, count / 5)
  const before = heapMiB()
  for (let part = 1; part < 5; part += 1) await run(part, count / 5)
  const grown = heapMiB() - before
  t.strictSame(faults, [], `REST_SEED=${seed}`)
  t.comment(`statuses ${JSON.stringify([...statuses])}, ${grown.toFixed(1)} MiB more`)
  t.ok((statuses.get(200) ?? 0) > count / 20, 'enough of them reach a method')
  t.ok(grown < 30, `${grown} MiB more after ${(count * 4) / 5} requests`)
})

function tell(what: unknown): string {
  const text = what instanceof Object ? JSON.stringify(what, asText) : String(what)
  return text.length > 1500 ? `${text.slice(0, 1500)}… (${text.length})` : text
}

function asText(key: string, value: unknown): unknown {
  if (key !== 'body' || typeof value === 'string') return value
  return Buffer.from((value as { data?: number[] }).data ?? []).toString('latin1')
}
