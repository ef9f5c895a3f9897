import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'
import { browserScript, packageImports } from '../../scripts/browser-modules.ts'

const modules =
  /^\/(?:src\/gen|test\/e2e|node_modules\/(?:@bufbuild|@connectrpc|grpc-web))\/[\w@./-]+\.[jt]s$/

/**
 * An origin of its own that has one page, which runs a module of this project; TypeScript is served
 * with its types stripped. `report` is what the page then posts to /report, as JSON; it rejects when
 * the module fails.
 */
export async function pageServer(t: Test, module: string) {
  const report = Promise.withResolvers<unknown>()
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, search } = new URL(request.url ?? '/', 'http://localhost')
    if (pathname === '/report') report.resolve(JSON.parse(await text(request)))
    else if (pathname === '/failed') report.reject(new Error(await text(request)))
    else if (pathname === '/') send(response, 'text/html', page(`${module}${search}`))
    else if (modules.test(pathname))
      send(response, 'text/javascript', await browserScript(pathname))
    response.statusCode = response.writableEnded ? response.statusCode : 404
    response.end()
  }
  const server = http.createServer((request, response) => {
    answer(request, response).catch((err: unknown) => {
      report.reject(err)
      response.destroy()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { origin: `http://127.0.0.1:${port}`, report: report.promise }
}

function send(response: ServerResponse, type: string, body: string): void {
  response.setHeader('content-type', `${type}; charset=utf-8`)
  response.end(body)
}

function page(module: string): string {
  return `<!doctype html>
<title>test</title>
<link rel="icon" href="data:,">
<script>
const failed = (body) => fetch('/failed', { method: 'POST', body })
addEventListener('error', ({ message, target }) => failed(message ?? 'no ' + target.src), true)
addEventListener('unhandledrejection', ({ reason }) => failed(String(reason)))
</script>
<script type="importmap">${JSON.stringify({ imports: imports() })}</script>
<script type="module" src="${module.replaceAll('&', '&amp;')}"></script>`
}

/** What a page may import by name. */
function imports(): Record<string, string> {
  // It names its module for browsers in another field.
  return { ...packageImports(), 'grpc-web': '/node_modules/grpc-web/index.esm.js' }
}
