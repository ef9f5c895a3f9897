import { once } from 'node:events'
import http, { type IncomingHttpHeaders } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'
import grpc from '@grpc/grpc-js'
import type { Test } from 'tap'
import { readLogs, readSpans, type ReceivedLog, type ReceivedSpan } from './otlp.ts'

export interface Received {
  spans: ReceivedSpan[]
  logs: ReceivedLog[]
  /** Of each request, in lower case. */
  headers: Record<string, unknown>[]
  /** Paths of HTTP requests. */
  paths: string[]
  /** Bodies of requests that are not OTLP. */
  bodies: string[]
  /** Whether requests get no answer, as from a process that is stopped. */
  frozen: boolean
}

export type Collector = Received & { url: string; port: number; stop: () => Promise<void> }

interface Files {
  cert: Buffer
  key: Buffer
  /** Authorities whose certificates clients must show. */
  ca: Buffer
}

const nothing = (): Received => ({
  spans: [],
  logs: [],
  headers: [],
  paths: [],
  bodies: [],
  frozen: false,
})

/** Takes OTLP as protobuf over HTTP, and whatever is posted elsewhere. */
export async function httpCollector(
  t: Test,
  { port = 0, tls }: { port?: number; tls?: Files } = {},
) {
  const received = nothing()
  async function receive(req: http.IncomingMessage, res: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk as Buffer)
    if (received.frozen) return
    take(received, req.url ?? '', req.headers, Buffer.concat(chunks))
    res.writeHead(200, { 'content-type': 'application/x-protobuf' }).end()
  }
  const handler: http.RequestListener = (req, res) =>
    void receive(req, res).catch(() => res.destroy())
  const server = tls
    ? https.createServer({ ...tls, requestCert: true, rejectUnauthorized: true }, handler)
    : http.createServer(handler)
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  async function stop(): Promise<void> {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }
  t.teardown(stop)
  const at = (server.address() as AddressInfo).port
  return Object.assign(received, {
    port: at,
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${at}`,
    stop,
  })
}

function take(received: Received, path: string, headers: IncomingHttpHeaders, raw: Buffer): void {
  received.paths.push(path)
  received.headers.push(headers)
  const body = headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw
  if (path === '/v1/traces') received.spans.push(...readSpans(body))
  else if (path === '/v1/logs') received.logs.push(...readLogs(body))
  else received.bodies.push(body.toString())
}

const exportMethod = (path: string) => ({
  path,
  requestStream: false,
  responseStream: false,
  requestSerialize: (bytes: Buffer) => bytes,
  requestDeserialize: (bytes: Buffer) => bytes,
  responseSerialize: (bytes: Buffer) => bytes,
  responseDeserialize: (bytes: Buffer) => bytes,
})

/** Takes OTLP over gRPC. */
export async function grpcCollector(
  t: Test,
  { port = 0, tls }: { port?: number; tls?: Files } = {},
) {
  const received = nothing()
  const server = new grpc.Server()
  const add = (path: string, read: (bytes: Buffer) => unknown) =>
    server.addService(
      { Export: exportMethod(path) },
      {
        Export(call: grpc.ServerUnaryCall<Buffer, Buffer>, answer: grpc.sendUnaryData<Buffer>) {
          received.headers.push(call.metadata.getMap())
          read(call.request)
          answer(null, Buffer.alloc(0))
        },
      },
    )
  add('/opentelemetry.proto.collector.trace.v1.TraceService/Export', (bytes) =>
    received.spans.push(...readSpans(bytes)),
  )
  add('/opentelemetry.proto.collector.logs.v1.LogsService/Export', (bytes) =>
    received.logs.push(...readLogs(bytes)),
  )
  const credentials = tls
    ? grpc.ServerCredentials.createSsl(
        tls.ca,
        [{ private_key: tls.key, cert_chain: tls.cert }],
        true,
      )
    : grpc.ServerCredentials.createInsecure()
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  server.bindAsync(`127.0.0.1:${port}`, credentials, (err, at) => (err ? reject(err) : resolve(at)))
  const at = await promise
  const stop = async () => server.forceShutdown()
  t.teardown(stop)
  return Object.assign(received, {
    port: at,
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${at}`,
    stop,
  })
}
