import { test } from 'tap'
import { parse } from 'yaml'
import { startApp } from '../help/app.ts'
import { isValid } from '../rest/openapi/valid.ts'

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
  for (const path of ['/openapi.json', '/openapi.yaml', '/docs', '/docs/swagger-ui.css'])
    t.equal((await fetch(`${rest.url}${path}`)).status, 404, path)
  t.notMatch(await (await fetch(`${rest.url}/`)).json(), { docs: '/docs' })
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
    t.equal(packed.headers.get('content-encoding'), 'gzip')
    t.equal(await packed.text(), await plain.text())
  }
})
