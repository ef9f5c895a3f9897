import { hash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SignJWT } from 'jose'
import tap, { test, type Test } from 'tap'
import { startApp } from '../help/app.ts'
import { browser, noBrowser } from '../help/browser.ts'
import { type DrivenPage, drivenBrowser } from '../help/devtools.ts'
import { until } from '../help/until.ts'

const skip = browser === undefined && !process.env.CI ? noBrowser : false

/** Waits until an expression is true in the page. */
function holds(page: DrivenPage, expression: string): Promise<void> {
  return until(expression, async () => (await page.evaluate(expression)) === true)
}

let empty: ReturnType<typeof drivenBrowser> | undefined

/** Opens a page in the one browser of this file. */
async function opened(url: string): Promise<DrivenPage> {
  empty ??= drivenBrowser(tap)
  const page = await (await empty)()
  for (const domain of ['Page', 'Network', 'Log', 'Runtime']) await page.call(`${domain}.enable`)
  await page.call('Page.navigate', { url })
  return page
}

/**
 * Every request went to the service, and the browser had nothing to complain about but answers of which
 * `isExpected` knows.
 */
function isQuiet(
  t: Test,
  { events }: DrivenPage,
  origin: string,
  isExpected: (entry: string) => boolean = () => false,
): void {
  const sent = events.filter(({ method }) => method === 'Network.requestWillBeSent')
  const urls = sent.map(({ params }) =>
    String((params?.request as { url?: string } | undefined)?.url),
  )
  t.ok(urls.includes(`${origin}/start.css`))
  const foreign = urls.filter((url) => !url.startsWith(origin) && !url.startsWith('data:'))
  t.strictSame(foreign, [], 'no request to another host')
  const complaints = events.filter(
    ({ method, params }) =>
      (method === 'Log.entryAdded' && !isExpected(JSON.stringify(params))) ||
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

/** Writes a text into a field, as soon as it is there. */
async function enter(page: DrivenPage, field: string, text: string): Promise<void> {
  await holds(page, `${field} !== null`)
  // React listens to the setter of the prototype.
  await page.evaluate(`{
    const field = ${field}
    const { set } = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), 'value')
    set.call(field, ${JSON.stringify(text)})
    field.dispatchEvent(new Event('input', { bubbles: true }))
  }`)
}

/** Enters credentials by the button Authorize; undefined takes the ones before away. */
async function authorize(page: DrivenPage, scheme: string, value?: string): Promise<void> {
  const dialog = `document.querySelector('.dialog-ux')`
  const form = `Array.from(document.querySelectorAll('.auth-container'))
    .find((each) => each.textContent.includes(${JSON.stringify(scheme)}))`
  const click = (button: string) => page.evaluate(`${button}.click()`)
  await click(`document.querySelector('.btn.authorize')`)
  await holds(page, `${form} !== undefined`)
  const done = `${form}.querySelector('.auth-btn-wrapper button:first-child')`
  if (value !== undefined) await enter(page, `${form}.querySelector('input')`, value)
  const before = String(await page.evaluate(`${done}.textContent`))
  await click(done)
  await holds(page, `${done}.textContent !== ${JSON.stringify(before)}`)
  await click(`${dialog}.querySelector('.btn-done')`)
  await holds(page, `${dialog} === null`)
}

/** Opens an operation of the page and executes it. Returns the status that the page shows. */
async function execute(page: DrivenPage, operation: string, body?: string): Promise<unknown> {
  const block = `document.querySelector('[id$="${operation}"]')`
  const click = (selector: string) => page.evaluate(`${block}.querySelector('${selector}').click()`)
  await click('.opblock-summary-control')
  await holds(page, `${block}.querySelector('.try-out__btn') !== null`)
  await click('.try-out__btn')
  await holds(page, `${block}.querySelector('.execute') !== null`)
  if (body !== undefined) await enter(page, `${block}.querySelector('textarea')`, body)
  return again(page, operation)
}

/** Executes an operation that is open, and that shows no status or one of a call before. */
async function again(page: DrivenPage, operation: string): Promise<unknown> {
  const block = `document.querySelector('[id$="${operation}"]')`
  const status = `${block}.querySelector('.live-responses-table tbody .response-col_status')`
  const clear = `${block}.querySelector('.btn-clear')`
  await page.evaluate(`${clear}?.click()`)
  await holds(page, `${status} === null`)
  await page.evaluate(`${block}.querySelector('.execute').click()`)
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
  const page = await opened(`${rest.url}/docs`)
  await holds(page, await listsAll(`${rest.url}/openapi.json`))
  const body = JSON.stringify({ name: 'Ada', email: 'ada@example.com', phone: '' })
  t.match(await execute(page, 'User_CreateUser', body), /^200/)
  t.match(await execute(page, 'User_ListUsers'), /^200/)
  const list = await fetch(`${rest.url}/v1/users`)
  t.match(await list.json(), { users: [{ name: 'Ada' }], total: 1 })
  isQuiet(t, page, rest.url)
  await pictured(page, 'docs')
})

test('the page calls with a token or a key that its reader enters', { skip }, async (t) => {
  const secret = 'a-secret-of-thirty-two-characters'
  const keys = join(t.testdir({}), 'keys')
  writeFileSync(keys, `reader ${hash('sha256', secret)} users:read`)
  const { rest } = await startApp(t, {
    storage: 'sqlite',
    env: { AUTH_SECRET: secret, AUTH_ALGORITHMS: 'HS256', API_KEYS_FILE: keys },
  })
  const token = (scope: string) =>
    new SignJWT({ scope }).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(secret))
  const page = await opened(`${rest.url}/docs`)
  await holds(page, await listsAll(`${rest.url}/openapi.json`))
  t.match(await execute(page, 'User_ListUsers'), /^401/, 'without credentials')
  await authorize(page, 'token', await token('users:read'))
  t.match(await again(page, 'User_ListUsers'), /^200/, 'with a token')
  await pictured(page, 'authorized')
  await authorize(page, 'token')
  t.match(await again(page, 'User_ListUsers'), /^401/, 'after logging out')
  await authorize(page, 'token', await token('users:write'))
  t.match(await again(page, 'User_ListUsers'), /^403/, 'with the token of another scope')
  await authorize(page, 'token')
  await authorize(page, 'api_key', `reader.${secret}`)
  t.match(await again(page, 'User_ListUsers'), /^200/, 'with an API key')
  isQuiet(t, page, rest.url, (entry) => /status of 40[13]/.test(entry))
})

test('the page of the Connect document lists its methods', { skip }, async (t) => {
  const { rest } = await startApp(t, { storage: 'sqlite' })
  const page = await opened(`${rest.url}/docs/connect`)
  await holds(page, await listsAll(`${rest.url}/openapi.connect.json`))
  isQuiet(t, page, rest.url)
  await pictured(page, 'connect')
})

test('the start page is shown with its style, and its links work', { skip }, async (t) => {
  const { rest } = await startApp(t, { storage: 'sqlite' })
  const page = await opened(`${rest.url}/`)
  await holds(page, `document.readyState === 'complete' && document.querySelector('h1') !== null`)
  t.equal(await page.evaluate(`getComputedStyle(document.body).fontFamily`), 'sans-serif')
  const links = `Array.from(document.querySelectorAll('a'), ({ href }) => href)`
  const found = (await page.evaluate(links)) as string[]
  t.ok(found.includes(`${rest.url}/docs`))
  for (const link of found) t.equal((await fetch(link)).status, 200, link)
  isQuiet(t, page, rest.url)
  await pictured(page, 'start')
})
