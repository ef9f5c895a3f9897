import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import { createRequire, stripTypeScriptTypes } from 'node:module'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'

const root = join(import.meta.dirname, '../..')
const require = createRequire(import.meta.url)
const packages = ['@bufbuild/protobuf', '@connectrpc/connect', '@connectrpc/connect-web']
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
    else if (modules.test(pathname)) send(response, 'text/javascript', await script(pathname))
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

/** Where the browser finds what a package exports. */
function imports(): Record<string, string> {
  const entries = packages.flatMap((name) => {
    const { exports } = require(join(root, 'node_modules', name, 'package.json')) as {
      exports: Record<string, { import: string }>
    }
    return Object.entries(exports).map(([path, { import: file }]) => [
      `${name}${path.slice(1)}`,
      `/node_modules/${name}/${file.slice(2)}`,
    ])
  })
  // It names its module for browsers in another field.
  return { ...Object.fromEntries(entries), 'grpc-web': '/node_modules/grpc-web/index.esm.js' }
}

async function script(path: string): Promise<string> {
  const source = await readFile(join(root, path), 'utf8')
  return path.endsWith('.ts') ? stripTypeScriptTypes(source) : source
}
