import { once } from 'node:events'
import http2 from 'node:http2'
import { test } from 'tap'
import { startApp } from '../help/app.ts'

test('a method that node does not know is 405 over HTTP/2, and no fault of the service', async (t) => {
  const app = await startApp(t, { storage: 'sqlite' })
  for (const { url } of [app.rest, app.rpc]) {
    const session = http2.connect(url)
    t.teardown(() => session.destroy())
    for (const method of ['BREW', 'constructor', '__proto__']) {
      const stream = session.request({ ':method': method, ':path': '/brew' })
      const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders]
      t.equal(headers[':status'], 405, `${method} at ${url}`)
      stream.resume()
      await once(stream, 'close')
    }
  }
  const lines = app.log().filter(({ kind }) => kind === 'server')
  t.equal(lines.length, 6)
  t.same(
    lines.filter(({ level, code }) => level !== 'info' || code !== 405),
    [],
  )
})
