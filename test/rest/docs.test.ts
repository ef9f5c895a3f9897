import { existsSync, globSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { test } from 'tap'

const tests = new Map(
  globSync('**/*.test.ts', { cwd: import.meta.dirname }).map((path) => [basename(path), path]),
)

test('each test that docs/rest.md names exists', async (t) => {
  const page = readFileSync(new URL('../../docs/rest.md', import.meta.url), 'utf8')
  const named = [...page.matchAll(/`([\w./-]+\.test\.ts)` “([^”]+)”/g)]
  t.ok(named.length > 50)
  for (const [, file = '', title = ''] of named) {
    const url = new URL(tests.get(file) ?? file, import.meta.url)
    const source = existsSync(url) ? readFileSync(url, 'utf8') : ''
    t.ok(source.includes(title), `${file}: ${title}`)
  }
})
