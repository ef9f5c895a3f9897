import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { hostPort } from '../../text/host-port.ts'
import { textFormat } from './prometheus.ts'

/** Tight limits: a scraper needs one connection and a request every few seconds. */
const limits = {
  maxHeaderSize: 8192,
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 75_000,
  connectionsCheckingInterval: 1_000,
}
const maxConnections = 64
/** For how long a scraper may read nothing of its answer; Prometheus itself waits no longer. */
const stalledMs = 10_000

interface MetricsServer {
  address: AddressInfo
  close(): Promise<void>
}

/**
 * Serves `/metrics` and `/healthz` on a port of their own, so that monitoring works under load and
 * without the certificates of the API. `addr` is host:port; it fails where that is taken. `failed` is
 * told when the text cannot be made.
 */
export async function metricsServer(
  addr: string,
  text: () => Promise<string>,
  failed: (err: unknown) => void,
): Promise<MetricsServer> {
  const plainText = shared(text)
  const zippedText = shared(async () => gzipped(await plainText()))

  async function metrics(req: http.IncomingMessage, res: http.ServerResponse): Promise<void> {
    try {
      const zipped = takesGzip(req)
      const body = await (zipped ? zippedText() : plainText())
      res.setHeader('vary', 'accept-encoding')
      if (zipped) res.setHeader('content-encoding', 'gzip')
      answer(res, 200, textFormat, body)
    } catch (err) {
      failed(err)
      answer(res, 500, plain, 'the metrics could not be read; the log has the cause\n')
    }
  }

  const server = http.createServer(limits, (req, res) => {
    const [path] = (req.url ?? '').split('?', 1)
    if (req.method !== 'GET' && req.method !== 'HEAD') {
      res.setHeader('allow', 'GET, HEAD')
      answer(res, 405, plain, 'only GET and HEAD are served here\n')
    } else if (path === '/metrics') void metrics(req, res)
    else if (path === '/healthz') answer(res, 200, 'application/json', '{"status":"ok"}')
    else answer(res, 404, plain, 'there are /metrics and /healthz\n')
  })
  server.maxConnections = maxConnections
  server.timeout = stalledMs
  server.listen(hostPort(addr))
  await once(server, 'listening')
  return {
    address: server.address() as AddressInfo,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeIdleConnections()
      // A scrape takes milliseconds.
      const timer = setTimeout(() => server.closeAllConnections(), 1_000)
      await closed
      clearTimeout(timer)
    },
  }
}

/** Requests that come while an answer is made share it: one connection can send thousands at once. */
function shared<T>(make: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined
  return () =>
    (running ??= make().finally(() => {
      running = undefined
    }))
}

const gzipped = promisify<string, Buffer>(gzip)

/** Whether a scraper takes gzip, as Prometheus does. One that refuses it says `gzip;q=0`. */
function takesGzip({ headers }: http.IncomingMessage): boolean {
  const { 'accept-encoding': codings = '' } = headers
  return codings.split(',').some((each) => {
    const [name = '', weight = 'q=1'] = each.split(';').map((part) => part.trim().toLowerCase())
    return name === 'gzip' && Number(weight.slice(2)) > 0
  })
}

const plain = 'text/plain; charset=utf-8'

function answer(
  res: http.ServerResponse,
  status: number,
  type: string,
  body: string | Buffer,
): void {
  const headers = { 'content-type': type, 'content-length': Buffer.byteLength(body) }
  res.writeHead(status, { ...headers, 'cache-control': 'no-store' }).end(body)
}
