import { existsSync, readFileSync } from 'node:fs'
import { test } from 'tap'

test('each test that docs/rest.md names exists', async (t) => {
  const page = readFileSync(new URL('../../docs/rest.md', import.meta.url), 'utf8')
  const named = [...page.matchAll(/`([\w./-]+\.test\.ts)` “([^”]+)”/g)]
  t.ok(named.length > 50)
  for (const [, file = '', title = ''] of named) {
    const url = new URL(file, import.meta.url)
    const source = existsSync(url) ? readFileSync(url, 'utf8') : ''
    t.ok(source.includes(title), `${file}: ${title}`)
  }
})
