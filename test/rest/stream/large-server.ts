// A process of its own, whose memory is that of the server alone. Answers each message of its parent
// with the most memory that it has had.
import { createHash } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import type { ConnectRouter } from '@connectrpc/connect'
import fastify from 'fastify'
import { fastifyRestPlugin } from '../../../src/rest/plugin.ts'
import { restServerOptions } from '../../../src/rest/server-options.ts'
import { dualProtocolListener } from '../../../src/server/listener/listener.ts'
import { setMemoryFlags } from '../../../src/memory/flags.ts'
import { processMemory } from '../../../src/memory/process-memory.ts'
import { patientLimits } from '../../help/limits.ts'
import { chunkAt, eventAt } from './large.ts'
import { type Row, type StreamHandlers, streams } from './serve-streams.ts'

setMemoryFlags()

const handlers: StreamHandlers = {
  async *watch({ count }) {
    for (let index = 0; index < Number(count); index += 1) yield eventAt(index)
  },
  async *download({ count }) {
    for (let index = 0; index < Number(count); index += 1)
      yield { contentType: 'application/octet-stream', data: chunkAt(index) }
  },
  async collect(requests) {
    let count = 0
    let bytes = 0n
    for await (const { text, number } of requests) {
      const { text: expected } = eventAt(count)
      if (text !== expected || number !== BigInt(count))
        throw new Error(`message ${count} is not exact`)
      count += 1
      bytes += BigInt(expected.length)
    }
    return { count, bytes }
  },
  async upload(files) {
    const hash = createHash('sha256')
    let bytes = 0n
    for await (const { content } of files) {
      const { data } = content as Row & { data: Uint8Array }
      hash.update(data)
      bytes += BigInt(data.length)
    }
    return { bytes, texts: [hash.digest('hex')] }
  },
}

// For as long as a body of a gibibyte takes on a busy machine.
const limits = { ...patientLimits, requestTimeoutMs: 3_600_000 }
const app = fastify({
  ...restServerOptions(),
  serverFactory: (handler) =>
    dualProtocolListener((req, res) => handler(req as never, res as never), limits) as never,
})
void app.register(fastifyRestPlugin, {
  routes: (router: ConnectRouter) => router.service(streams, handlers as never),
  uploadLimit: 4 * 1024 ** 3,
})
// As the program does before it listens: V8 takes its limits from what is left.
processMemory().release()
await app.listen({ port: 0, host: '127.0.0.1' })
// At its end node writes what it has compiled.
process.on('disconnect', () => process.exit())
process.on('message', () => process.send?.({ maxRss: process.resourceUsage().maxRSS * 1024 }))
process.send?.({ port: (app.server.address() as AddressInfo).port })
