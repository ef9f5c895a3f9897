// The server under test of the Connect conformance suite: the RPC port as it is, with the suite's service
// in the place of ours. It reads one ServerCompatRequest on standard input, answers on standard output
// and serves until SIGTERM.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { create, createRegistry, fromBinary, toBinary } from '@bufbuild/protobuf'
import { admission } from '../../src/server/admission/admission.ts'
import { grpcServer } from '../../src/server/grpc.ts'
import { patientStreams } from '../help/limits.ts'
import { interceptors } from '../../src/server/interceptor/list.ts'
import { loadTls, type Tls } from '../../src/server/listener/tls.ts'
import {
  ConformanceService,
  file_connectrpc_conformance_v1_conformance,
  type ServerCompatRequest,
  ServerCompatRequestSchema,
  ServerCompatResponseSchema,
} from './gen/connectrpc/conformance/v1/conformance_pb.ts'
import { asThrown } from './as-thrown.ts'
import { service } from './service.ts'

const host = '127.0.0.1'

async function readRequest(): Promise<ServerCompatRequest> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  // Behind its length.
  return fromBinary(ServerCompatRequestSchema, Buffer.concat(chunks).subarray(4))
}

function writeResponse(port: number, pemCert: Uint8Array | undefined): void {
  const response = create(ServerCompatResponseSchema, { host, port, ...(pemCert && { pemCert }) })
  const bytes = toBinary(ServerCompatResponseSchema, response)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.byteLength)
  process.stdout.write(Buffer.concat([length, bytes]))
}

/** From files, as the service reads its certificates. */
function tlsOf({ useTls, serverCreds, clientTlsCert }: ServerCompatRequest): Tls | undefined {
  if (!useTls) return undefined
  const dir = mkdtempSync(join(tmpdir(), 'conformance-'))
  process.on('exit', () => rmSync(dir, { recursive: true }))
  function file(name: string, bytes: Uint8Array | undefined): string {
    if (bytes === undefined || bytes.byteLength === 0) return ''
    writeFileSync(join(dir, name), bytes, { mode: 0o600 })
    return join(dir, name)
  }
  const files = {
    certFile: file('cert.pem', serverCreds?.cert),
    keyFile: file('key.pem', serverCreds?.key),
    clientCaFile: file('ca.pem', clientTlsCert),
    minVersion: 'TLSv1.2',
  } as const
  return loadTls(files, { unusable: console.error, refused: console.error })
}

const request = await readRequest()
const tls = tlsOf(request)
const { app } = grpcServer({
  routes: (router) => router.service(ConformanceService, service),
  interceptors: [
    asThrown,
    ...interceptors({ defaultMs: 60_000, byOperation: new Map() }, () => undefined),
  ],
  observers: [],
  admission: admission({ maxActive: 10_000, maxCalls: 10_000 }),
  streams: patientStreams(),
  tls,
  types: createRegistry(file_connectrpc_conformance_v1_conformance),
  origins: [],
  limits: {
    maxBodyBytes: request.messageReceiveLimit,
    maxHeaderBytes: 64 * 1024,
    headersTimeoutMs: 10_000,
    requestTimeoutMs: 60_000,
    keepAliveTimeoutMs: 60_000,
    maxConcurrentStreams: 1000,
    maxConnections: 10_000,
  },
})
await app.listen({ host, port: 0 })
process.on('SIGTERM', () => process.exit(0))
writeResponse((app.server.address() as AddressInfo).port, request.serverCreds?.cert)
