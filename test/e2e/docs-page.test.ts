import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { startApp } from '../help/app.ts'
import { browser, noBrowser } from '../help/browser.ts'
import { type DrivenPage, drivenPage } from '../help/devtools.ts'
import { until } from '../help/until.ts'

const skip = browser === undefined && !process.env.CI ? noBrowser : false

/** Waits until an expression is true in the page. */
function holds(page: DrivenPage, expression: string): Promise<void> {
  return until(expression, async () => (await page.evaluate(expression)) === true)
}

async function opened(t: Test, url: string): Promise<DrivenPage> {
  const page = await drivenPage(t)
  for (const domain of ['Page', 'Network', 'Log', 'Runtime']) await page.call(`${domain}.enable`)
  await page.call('Page.navigate', { url })
  return page
}

/** Every request went to the service, and the browser had nothing to complain about. */
function isQuiet(t: Test, { events }: DrivenPage, origin: string): void {
  const sent = events.filter(({ method }) => method === 'Network.requestWillBeSent')
  const urls = sent.map(({ params }) =>
    String((params?.request as { url?: string } | undefined)?.url),
  )
  t.ok(urls.includes(`${origin}/start.css`))
  const foreign = urls.filter((url) => !url.startsWith(origin) && !url.startsWith('data:'))
  t.strictSame(foreign, [], 'no request to another host')
  const complaints = events.filter(
    ({ method, params }) =>
      method === 'Log.entryAdded' ||
      method === 'Runtime.exceptionThrown' ||
      (method === 'Runtime.consoleAPICalled' && params?.type === 'error'),
  )
  t.strictSame(complaints, [], 'no report of the CSP and no error')
}

/** Writes a picture of the page into the folder that DOCS_PICTURES names, to be looked at. */
async function pictured(page: DrivenPage, name: string): Promise<void> {
  const { DOCS_PICTURES: folder } = process.env
  if (folder === undefined) return
  await page.evaluate('window.scrollTo(0, 0)')
  const { data } = await page.call('Page.captureScreenshot')
  writeFileSync(join(folder, `${name}.png`), Buffer.from(String(data), 'base64'))
}

/** Opens an operation of the page and executes it. Returns the status that the page shows. */
async function execute(page: DrivenPage, operation: string, body?: string): Promise<unknown> {
  const block = `document.querySelector('[id$="${operation}"]')`
  const click = (selector: string) => page.evaluate(`${block}.querySelector('${selector}').click()`)
  await click('.opblock-summary-control')
  await holds(page, `${block}.querySelector('.try-out__btn') !== null`)
  await click('.try-out__btn')
  await holds(page, `${block}.querySelector('.execute') !== null`)
  if (body !== undefined) {
    await holds(page, `${block}.querySelector('textarea') !== null`)
    // React listens to the setter of the prototype.
    await page.evaluate(`{
      const area = ${block}.querySelector('textarea')
      const { set } = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value')
      set.call(area, ${JSON.stringify(body)})
      area.dispatchEvent(new Event('input', { bubbles: true }))
    }`)
  }
  await click('.execute')
  const status = `${block}.querySelector('.live-responses-table tbody .response-col_status')`
  await holds(page, `${status} !== null`)
  return page.evaluate(`${status}.textContent.trim()`)
}

/** That a page lists as many operations as the document has. */
async function listsAll(document: string): Promise<string> {
  const { paths } = (await (await fetch(document)).json()) as { paths: Record<string, object> }
  const operations = Object.values(paths).flatMap(Object.keys)
  return `document.querySelectorAll('.opblock').length === ${operations.length}`
}

test('the page lists every operation and calls them', { skip }, async (t) => {
  const { rest } = await startApp(t, { storage: 'sqlite' })
  const page = await opened(t, `${rest.url}/docs`)
  await holds(page, await listsAll(`${rest.url}/openapi.json`))
  const body = JSON.stringify({ name: 'Ada', email: 'ada@example.com', phone: '' })
  t.match(await execute(page, 'User_CreateUser', body), /^200/)
  t.match(await execute(page, 'User_ListUsers'), /^200/)
  const list = await fetch(`${rest.url}/v1/users`)
  t.match(await list.json(), { users: [{ name: 'Ada' }], total: 1 })
  isQuiet(t, page, rest.url)
  await pictured(page, 'docs')
})

test('the page of the Connect document lists its methods', { skip }, async (t) => {
  const { rest } = await startApp(t, { storage: 'sqlite' })
  const page = await opened(t, `${rest.url}/docs/connect`)
  await holds(page, await listsAll(`${rest.url}/openapi.connect.json`))
  isQuiet(t, page, rest.url)
  await pictured(page, 'connect')
})

test('the start page is shown with its style, and its links work', { skip }, async (t) => {
  const { rest } = await startApp(t, { storage: 'sqlite' })
  const page = await opened(t, `${rest.url}/`)
  await holds(page, `document.readyState === 'complete' && document.querySelector('h1') !== null`)
  t.equal(await page.evaluate(`getComputedStyle(document.body).fontFamily`), 'sans-serif')
  const links = `Array.from(document.querySelectorAll('a'), ({ href }) => href)`
  const found = (await page.evaluate(links)) as string[]
  t.ok(found.includes(`${rest.url}/docs`))
  for (const link of found) t.equal((await fetch(link)).status, 200, link)
  isQuiet(t, page, rest.url)
  await pictured(page, 'start')
})
