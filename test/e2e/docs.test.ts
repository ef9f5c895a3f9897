import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import { test } from 'tap'
import { parse } from 'yaml'
import { startApp } from '../help/app.ts'
import { startProcess } from '../help/process.ts'
import { isValid } from '../rest/openapi/valid.ts'
import { exchange } from './raw.ts'

test('the documents are served as JSON and YAML with an entity tag', async (t) => {
  const { rest } = await startApp(t, { storage: 'sqlite' })
  for (const name of ['openapi', 'openapi.connect']) {
    const json = await fetch(`${rest.url}/${name}.json`)
    const etag = json.headers.get('etag') ?? ''
    const document = (await json.json()) as never
    await isValid(t, document)
    const yaml = await fetch(`${rest.url}/${name}.yaml`)
    t.equal(yaml.headers.get('content-type'), 'application/yaml')
    t.same(parse(await yaml.text(), { maxAliasCount: 0 }), document)
    const headers = { 'if-none-match': etag }
    t.equal((await fetch(`${rest.url}/${name}.json`, { headers })).status, 304)
  }
  const identity = await fetch(`${rest.url}/openapi.json`, {
    headers: { 'accept-encoding': 'identity' },
  })
  t.equal(identity.headers.get('content-encoding'), null)
})

test('the start page is HTML for browsers and JSON for others', async (t) => {
  const { rest } = await startApp(t, { storage: 'sqlite' })
  const json = await fetch(`${rest.url}/`)
  t.match(await json.json(), { docs: '/docs', openapi: '/openapi.json', rpc: /127\.0\.0\.1:0/ })
  const html = await fetch(`${rest.url}/`, { headers: { accept: 'text/html,*/*;q=0.8' } })
  t.match(html.headers.get('content-security-policy'), /^default-src 'none'/)
  t.match(html.headers.get('vary'), 'Accept')
  t.match(await html.text(), /<a href="\/docs">/)
})

test('without server.docs there is no document and no page of it', async (t) => {
  const { rest } = await startApp(t, { storage: 'sqlite', env: { DOCS: 'false' } })
  const paths = ['/openapi.json', '/openapi.connect.yaml', '/docs', '/docs/swagger-ui.css']
  for (const path of paths) {
    const answer = await fetch(`${rest.url}${path}`)
    t.equal(answer.status, 404, path)
    t.match(await answer.json(), { code: 404, reason: 'ROUTE_NOT_FOUND' })
  }
  t.notMatch(await (await fetch(`${rest.url}/`)).json(), { docs: '/docs' })
})

test('the policy of the pages holds for their files and errors', async (t) => {
  const { rest } = await startApp(t, { storage: 'sqlite' })
  const paths = [
    '/',
    '/docs',
    '/docs/swagger-ui.css',
    '/docs/nothing',
    '/openapi.json',
    '/start.css',
  ]
  for (const path of paths) {
    const { headers } = await fetch(`${rest.url}${path}`)
    t.match(headers.get('content-security-policy'), /^default-src 'none'; script-src 'self';/, path)
  }
  const missing = await fetch(`${rest.url}/docs/nothing`)
  t.equal(missing.status, 404)
  t.match(await missing.json(), { code: 404, reason: 'ROUTE_NOT_FOUND' })
})

const plainTexts: Record<string, (bytes: Buffer) => Buffer> = {
  gzip: (bytes) => gunzipSync(bytes),
  br: (bytes) => brotliDecompressSync(bytes),
  zstd: (bytes) => zstdDecompressSync(bytes),
}

test('a document has a tag in each coding, and HEAD is GET without the body', async (t) => {
  const { rest } = await startApp(t, { storage: 'sqlite' })
  const target = '/openapi.json'
  const get = (headers: Record<string, string>, method = 'GET') =>
    exchange(rest.port, { method, target, headers })
  const plain = await get({ 'accept-encoding': 'gzip;q=0' })
  const tags = [plain.headers.get('etag')]
  for (const [coding, text] of Object.entries(plainTexts)) {
    const packed = await get({ 'accept-encoding': coding })
    t.equal(packed.headers.get('content-encoding'), coding)
    t.equal(packed.headers.get('vary'), 'Accept-Encoding')
    t.equal(text(packed.bytes).toString(), plain.body)
    tags.push(packed.headers.get('etag'))
    const held = { 'accept-encoding': coding, 'if-none-match': tags.at(-1) ?? '' }
    t.match(await get(held), { status: 304, body: '' })
  }
  t.equal(new Set(tags).size, 4)
  const head = await get({}, 'HEAD')
  t.match(head, { status: 200, body: '' })
  for (const name of ['etag', 'content-type', 'content-length', 'content-security-policy'])
    t.equal(head.headers.get(name), plain.headers.get(name), name)
})

test('the files of the page are sent as they are, compressed for clients that accept it', async (t) => {
  const { rest } = await startApp(t, { storage: 'sqlite' })
  const types = { 'swagger-ui.css': /css/, 'swagger-ui-bundle.js': /javascript/ }
  for (const [name, type] of Object.entries(types)) {
    const plain = await fetch(`${rest.url}/docs/${name}`, {
      headers: { 'accept-encoding': 'identity' },
    })
    t.match(plain.headers.get('content-type'), type)
    const packed = await fetch(`${rest.url}/docs/${name}`)
    t.ok(packed.headers.get('content-encoding'))
    t.equal(await packed.text(), await plain.text())
  }
})

test('nothing of the documents is loaded before the first request for one', async (t) => {
  const folder = t.testdir()
  const list = join(folder, 'loaded.txt')
  const hook = `import { appendFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
function load(url, context, next) {
  appendFileSync(${JSON.stringify(list)}, url + '\\n')
  return next(url, context)
}
registerHooks({ load })
`
  writeFileSync(join(folder, 'hook.mjs'), hook)
  const service = await startProcess(t, {
    NODE_OPTIONS: `--import=${join(folder, 'hook.mjs')}`,
    SQLITE_PATH: join(folder, 'users.db'),
  })
  const loaded = () => readFileSync(list, 'utf8').split('\n')
  const ofDocuments = () => loaded().filter((url) => /openapi|comments|swagger/.test(url))
  t.ok(loaded().length > 100)
  t.strictSame(ofDocuments(), [])
  await (await fetch(`${service.rest}/openapi.json`)).text()
  t.ok(ofDocuments().some((url) => url.endsWith('/rest/openapi/document.ts')))
})
