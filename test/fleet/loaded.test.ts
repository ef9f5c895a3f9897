import { test, type Test } from 'tap'
import { freshSqlitePath } from '../help/db.ts'
import { startProcess } from '../help/process.ts'

/** What the program says of the files that it loads. */
async function loading(t: Test, env: Record<string, string>): Promise<string> {
  const hook = new URL('loaded.mjs', import.meta.url).href
  const service = await startProcess(t, {
    SQLITE_PATH: freshSqlitePath(t),
    NODE_OPTIONS: `--import=${hook}`,
    ...env,
  })
  service.kill('SIGTERM')
  await service.exit
  return service.stderr()
}

/** The folders of src/fleet from which the program loads files. */
async function loadedWith(t: Test, env: Record<string, string>): Promise<string[]> {
  const files = (await loading(t, env)).match(/^src\/fleet\/.*$/gm) ?? []
  return [...new Set(files.map((file) => file.split('/')[2] ?? ''))]
    .filter((name) => !name.endsWith('.ts'))
    .concat(files.length > 0 ? ['shared'] : [])
}

test('only the client of the registry that is chosen is loaded, and no client of what is off', async (t) => {
  t.strictSame(await loadedWith(t, { CONFIG_WATCH_FILE: 'false' }), [])
  // The file of settings is watched.
  t.strictSame(await loadedWith(t, { CONFIG_WATCH_FILE: 'true' }), ['shared'])
  t.notMatch(await loading(t, {}), /^ioredis/m)
  t.match(await loading(t, { CACHE_REDIS: '127.0.0.1:1' }), /^ioredis/m)
  const unused = 'http://127.0.0.1:1'
  t.strictSame(await loadedWith(t, { REGISTRY: 'etcd', ETCD_ENDPOINTS: unused }), [
    'etcd',
    'shared',
  ])
  t.strictSame(await loadedWith(t, { REGISTRY: 'consul', CONSUL_ADDRESS: unused }), [
    'consul',
    'shared',
  ])
  t.strictSame(await loadedWith(t, { REGISTRY: 'kubernetes' }), ['kubernetes', 'shared'])
})
