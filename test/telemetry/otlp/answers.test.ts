import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import * as grpc from '@grpc/grpc-js'
import { test, type Test } from 'tap'
import { freshSqlitePath } from '../../help/db.ts'
import { startProcess } from '../../help/process.ts'
import { until } from '../../help/until.ts'

const field = (no: number, bytes: Buffer) =>
  Buffer.concat([Buffer.from([(no << 3) | 2, bytes.length]), bytes])

/** Export…ServiceResponse with a partial success: one rejected item and a message. */
const partial = field(1, Buffer.concat([Buffer.from([8, 1]), field(2, Buffer.from('too\nold'))]))
const long = 'x'.repeat(5000)

async function httpCollector(t: Test, answer: (res: ServerResponse) => void): Promise<string> {
  const server = createServer((req, res) => void buffer(req).then(() => answer(res)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const same = (bytes: Buffer) => bytes
const exportMethod = {
  requestStream: false,
  responseStream: false,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
}

async function grpcCollector(
  t: Test,
  answer: (done: grpc.sendUnaryData<Buffer>) => void,
): Promise<string> {
  const server = new grpc.Server()
  for (const name of ['trace.v1.Trace', 'logs.v1.Logs', 'metrics.v1.Metrics']) {
    const path = `/opentelemetry.proto.collector.${name}Service/Export`
    server.addService(
      { Export: { path, ...exportMethod } },
      {
        Export: (_call: unknown, done: grpc.sendUnaryData<Buffer>) => answer(done),
      },
    )
  }
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const credentials = grpc.ServerCredentials.createInsecure()
  server.bindAsync('127.0.0.1:0', credentials, (err, port) => (err ? reject(err) : resolve(port)))
  t.teardown(() => server.forceShutdown())
  return `http://127.0.0.1:${await promise}`
}

const byHttp = (answer: (res: ServerResponse) => void) => (t: Test) => httpCollector(t, answer)
const byGrpc = (answer: (done: grpc.sendUnaryData<Buffer>) => void) => (t: Test) =>
  grpcCollector(t, answer)

const cases: [title: string, collector: (t: Test) => Promise<string>, reason: RegExp][] = [
  [
    'a part that is refused over HTTP',
    byHttp((res) => res.end(partial)),
    /^the collector has refused 1 of an export: too old$/,
  ],
  [
    'a part that is refused over gRPC',
    byGrpc((done) => done(null, partial)),
    /^the collector has refused 1 of an export: too old$/,
  ],
  [
    'status 400 with a long body',
    byHttp((res) => res.writeHead(400).end(long)),
    /^the collector answers 400 Bad Request: x{300}…$/,
  ],
  [
    'status 503 until the time is over',
    byHttp((res) => res.writeHead(503, { 'retry-after': '3600' }).end()),
    /^the collector answers 429, 502, 503 or 504$/,
  ],
  [
    'a redirect',
    byHttp((res) => res.writeHead(308, { location: '/elsewhere' }).end()),
    /^the collector answers 308 Permanent Redirect; redirects are not followed$/,
  ],
  [
    'a page instead of OTLP',
    byHttp((res) => res.end('<html>Welcome</html>')),
    /^the endpoint is no collector: it answers <html>Welcome/,
  ],
  [
    'RESOURCE_EXHAUSTED with a long message',
    byGrpc((done) => done({ code: grpc.status.RESOURCE_EXHAUSTED, details: long })),
    /^8 RESOURCE_EXHAUSTED: x+…$/,
  ],
]

for (const [title, collectorOf, reason] of cases)
  test(`${title} is one warning for each signal, bounded, with what the collector said`, async (t) => {
    const service = await startProcess(t, {
      SQLITE_PATH: freshSqlitePath(t),
      OTEL_EXPORTER_OTLP_ENDPOINT: await collectorOf(t),
      OTEL_EXPORTER_OTLP_PROTOCOL: title.match(/gRPC|RESOURCE/) ? 'grpc' : 'http/protobuf',
      OTEL_METRIC_EXPORT_INTERVAL: '2000',
      TRACING_BATCH_DELAY: '0.05s',
      LOG_OTLP: 'true',
    })
    const warnings = () => service.lines.filter(({ level }) => level === 'warn')
    for (let round = 0; round < 2; round += 1) {
      await fetch(`${service.rest}/v1/users/1`).then((answer) => answer.text())
      await until('the warnings', () => warnings().length >= 3)
    }
    t.match(
      warnings()
        .map(({ msg }) => String(msg))
        .toSorted(),
      [/^log lines cannot/, /^metrics cannot/, /^spans cannot/],
    )
    t.equal(warnings().length, 3)
    t.ok(
      warnings().every((line) => reason.test(String(line.reason))),
      JSON.stringify(warnings()),
    )
  })
