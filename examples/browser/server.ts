import { readFile } from 'node:fs/promises'
import http, { type Server, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { browserScript, packageImports } from '../../scripts/browser-modules.ts'

const page = join(import.meta.dirname, 'index.html')
const modules =
  /^\/(?:src\/gen|examples\/browser|node_modules\/(?:@bufbuild|@connectrpc))\/[\w@./-]+\.[jt]s$/

/** Serves the page and the modules that it imports, and nothing else. */
export function examplePage(): Server {
  async function answer(path: string, response: ServerResponse): Promise<void> {
    if (path === '/') send(response, 'text/html', await html())
    else if (modules.test(path) && !path.includes('..'))
      send(response, 'text/javascript', await browserScript(path))
    else response.writeHead(404).end()
  }
  return http.createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    answer(pathname, response).catch(() => response.writeHead(404).end())
  })
}

/** The page with its import map, which the browser needs instead of node_modules. */
async function html(): Promise<string> {
  const map = JSON.stringify({ imports: packageImports() })
  return (await readFile(page, 'utf8')).replace('{ "imports": {} }', map)
}

function send(response: ServerResponse, type: string, body: string): void {
  response.setHeader('content-type', `${type}; charset=utf-8`)
  response.end(body)
}
