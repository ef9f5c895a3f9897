import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createClient } from '@connectrpc/connect'
import { createConnectTransport } from '@connectrpc/connect-node'
import { test } from 'tap'
import { examplePage } from '../../examples/browser/server.ts'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { startApp } from '../help/app.ts'
import { browser, noBrowser } from '../help/browser.ts'
import { drivenPage } from '../help/devtools.ts'
import { until } from '../help/until.ts'

const skip = browser === undefined && !process.env.CI ? noBrowser : false

test(
  'the example page lists users, creates one, and follows what others do',
  { skip },
  async (t) => {
    const server = examplePage().listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => {
      server.closeAllConnections()
      server.close()
    })
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const { rpc } = await startApp(t, { storage: 'sqlite', env: { CORS_ORIGINS: origin } })
    const others = createClient(
      User,
      createConnectTransport({ baseUrl: rpc.url, httpVersion: '1.1' }),
    )
    const { id } = await others.createUser({ name: 'Ada', email: 'ada@example.org' })

    const page = await drivenPage(t)
    const shown = (selector: string) =>
      page.evaluate(`document.querySelector('${selector}')?.innerText ?? ''`)
    const rows = async (text: string) =>
      String(await shown('tbody')).replaceAll(/\s+/g, ' ') === text
    await page.call('Page.navigate', { url: `${origin}/?service=${encodeURIComponent(rpc.url)}` })
    await until('the list', () => rows('1 Ada ada@example.org'))
    await until('the state', async () => (await shown('#state')) === 'live')

    const submit = (name: string, email: string) =>
      page.evaluate(`{
      const form = document.querySelector('form')
      form.elements.name.value = ${JSON.stringify(name)}
      form.elements.email.value = ${JSON.stringify(email)}
      form.requestSubmit()
    }`)
    await submit('<b>Alan</b>', 'alan@example.org')
    const both = '1 Ada ada@example.org 2 <b>Alan</b> alan@example.org'
    await until('the new user', () => rows(both))
    await submit('Alan', 'alan@example.org')
    const taken = 'USER_ALREADY_EXISTS, email: alan@example.org'
    await until('the error', async () => (await shown('#error')) === taken)

    await others.updateUser({ id, user: { name: 'Grace' } })
    await until('the update', () => rows(both.replace('Ada ', 'Grace ')))
    await others.deleteUser({ id })
    await until('the deletion', () => rows('2 <b>Alan</b> alan@example.org'))
    t.equal((await fetch(`${origin}/package.json`)).status, 404, 'nothing else is served')
  },
)
