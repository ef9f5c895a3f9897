import { readFileSync } from 'node:fs'
import type { OtlpTarget } from './target.ts'

/** The options of OpenTelemetry's exporters over HTTP. Throws where a PEM file cannot be read. */
export function httpOptions({ url, headers, tls, timeoutMs }: OtlpTarget) {
  const { ca, cert, key } = pem(tls)
  const agent = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) }
  return {
    ...(url !== undefined && { url }),
    headers,
    ...(Object.keys(agent).length > 0 && { httpAgentOptions: { keepAlive: true, ...agent } }),
    timeoutMillis: timeoutMs,
  }
}

/** The options of OpenTelemetry's exporters over gRPC. Throws where a PEM file cannot be read. */
export async function grpcOptions({ url, headers, tls, timeoutMs }: OtlpTarget) {
  const { credentials, Metadata } = await import('@grpc/grpc-js')
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
  const { ca = null, cert = null, key = null } = pem(tls)
  const secure = url?.startsWith('https:') === true
  return {
    ...(url !== undefined && { url }),
    ...(secure && { credentials: credentials.createSsl(ca, key, cert) }),
    metadata,
    timeoutMillis: timeoutMs,
  }
}

function pem({ caFile, certFile, keyFile }: OtlpTarget['tls']) {
  return { ca: read(caFile), cert: read(certFile), key: read(keyFile) }
}

function read(path: string): Buffer | undefined {
  return path === '' ? undefined : readFileSync(path)
}
