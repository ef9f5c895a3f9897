// Sends broken requests to the REST port and tells on standard output, in JSON, what came of it:
// `node --expose-gc hostile-run.ts COUNT SEED`. A process of its own, since tap watches each promise
// of its process, which takes longer than most of these requests.
import type { AddressInfo } from 'node:net'
import { requestBytes } from '../e2e/raw.ts'
import type { RawRequest } from '../e2e/raw.ts'
import { brokenRequest, picker } from './broken.ts'
import { echoServer } from './echo-server.ts'
import { type Answer, pipeline } from './pipeline.ts'

export interface HostileResult {
  /** What should not have been, each with its request; not more than about 20. */
  faults: string[]
  /** Requests by status. */
  statuses: Record<string, number>
  /** What the heap has grown by after the first fifth of the requests. */
  grownMiB: number
}

const [count = 0, seed = 0] = process.argv.slice(2).map(Number)
const lanes = 4
const parts = 5

/** The start page is HTML for those that accept it. */
function isStartPage(head: string, body: string): boolean {
  return /\r\ncontent-type: text\/html(?:\r|;|$)/i.test(head) && body.startsWith('<!doctype html>')
}

/** Whether it is JSON, or has none to look at: here the body is text, which a compressed one is not. */
function isWhole({ status, head, body }: Pick<Answer, 'status' | 'head' | 'body'>): boolean {
  if (status === 204 || /\r\ncontent-encoding: /i.test(head)) return true
  return isStartPage(head, body) || isJson(body)
}

/** What is wrong with an answer; undefined if nothing is. */
function fault({ status, head, body }: Answer): string | undefined {
  if (status >= 200 && status < 300) return isWhole({ status, head, body }) ? undefined : 'no JSON'
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

function heapMiB(): number {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed / 2 ** 20
}

async function main(): Promise<HostileResult> {
  const server = echoServer()
  const { app } = server
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const faults: string[] = []
  const statuses: Record<string, number> = {}

  /** A part of the requests down one connection. */
  async function lane(number: number): Promise<void> {
    const pick = picker(seed + number)
    const open: RawRequest[] = []
    const requests = (function* () {
      for (let i = 0; i < count / parts / lanes && faults.length < 20; i += 1) {
        const request = brokenRequest(pick)
        open.push(request)
        yield requestBytes(request)
      }
    })()
    try {
      await pipeline(port, requests, (answer) => {
        const request = open.shift()
        statuses[answer.status] = (statuses[answer.status] ?? 0) + 1
        const wrong = fault(answer)
        if (wrong) faults.push(`${wrong}: ${tell(request)}: ${answer.status} ${tell(answer.body)}`)
      })
    } catch (err) {
      faults.push(`${String(err)}: ${tell(open[0])}`)
    }
  }

  let before = 0
  for (let part = 0; part < parts; part += 1) {
    await Promise.all(Array.from({ length: lanes }, (_, at) => lane(part * lanes + at)))
    if (part === 0) before = heapMiB()
  }
  const grownMiB = heapMiB() - before
  // As the service is stopped: what a client has left half-way is cut off.
  await server.closeGracefully(1000)
  return { faults, statuses, grownMiB }
}

function tell(what: unknown): string {
  const text = what instanceof Object ? JSON.stringify(what, asText) : String(what)
  return text.length > 1500 ? `${text.slice(0, 1500)}… (${text.length})` : text
}

function asText(key: string, value: unknown): unknown {
  if (key !== 'body' || typeof value === 'string') return value
  return Buffer.from((value as { data?: number[] }).data ?? []).toString('latin1')
}

console.log(JSON.stringify(await main()))
