import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'tap'
import { isInstalled, load, type OnDemand, provide } from '../../scripts/on-demand.ts'
import { project } from '../../scripts/tool.ts'

const hidden = 'node_modules/.package-lock.json'

function writeJson(file: string, value: object): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, JSON.stringify(value))
}

/** A folder whose lock wants a package of a version. */
function writeLock(folder: string, version: string, resolved?: string): void {
  const dependencies = { thing: resolved ?? version }
  const thing = { version, ...(resolved !== undefined && { resolved }) }
  const packages = { '': { dependencies }, 'node_modules/thing': thing }
  writeJson(join(folder, 'package.json'), { dependencies })
  writeJson(join(folder, 'package-lock.json'), { lockfileVersion: 3, packages })
}

test('a package is installed where it is missing, and left alone where it is there', async (t) => {
  const folder = t.testdir({ thing: { 'index.js': 'module.exports = 1' } })
  writeJson(join(folder, 'thing/package.json'), { name: 'thing', version: '1.0.0' })
  execFileSync('npm', ['pack', './thing'], { cwd: folder, stdio: 'ignore' })
  writeLock(folder, '1.0.0', 'file:thing-1.0.0.tgz')
  const told = t.capture(console, 'log')
  t.equal(isInstalled(folder), false)
  provide('google-gax', folder)
  t.equal(isInstalled(folder), true)
  t.match(told(), [{ args: [/^Installing google-gax in .*\.$/] }])
  t.ok(existsSync(join(folder, 'node_modules/thing/index.js')))
  // npm ci would remove it.
  const mark = join(folder, 'node_modules/mark')
  writeFileSync(mark, '')
  provide('google-gax', folder)
  t.ok(existsSync(mark))
  t.strictSame(told(), [])
})

test('without a registry the command to repeat is told', async (t) => {
  const folder = t.testdir()
  writeLock(folder, '1.0.0')
  t.capture(console, 'log')
  const cache = join(folder, 'cache')
  // As `npm run -s` has it.
  const settings = {
    npm_config_offline: 'true',
    npm_config_cache: cache,
    npm_config_loglevel: 'silent',
  }
  const before = { ...process.env }
  t.teardown(() => (process.env = before))
  Object.assign(process.env, settings)
  t.throws(() => provide('google-gax', folder), {
    name: 'Refusal',
    message: /ENOTCACHED[^]*google-gax could not be installed.*npm ci --prefix scripts\/packages\//,
  })
})

test('what is installed is compared with the lock', async (t) => {
  const thing = { version: '1.0.0' }
  const other = { version: '1.0.0', optional: true }
  const packages = { '': {}, 'node_modules/thing': thing, 'node_modules/other': other }
  const cases: [why: string, there: object, isThere: boolean][] = [
    ['all', { 'node_modules/thing': thing, 'node_modules/other': other }, true],
    ['one of another platform is not there', { 'node_modules/thing': thing }, true],
    ['one is missing', { 'node_modules/other': other }, false],
    ['another version', { 'node_modules/thing': { version: '1.0.1' } }, false],
  ]
  const folder = t.testdir()
  t.throws(() => isInstalled(folder), { message: /there is no package-lock\.json/ })
  writeJson(join(folder, 'package-lock.json'), { packages })
  t.equal(isInstalled(folder), false, 'nothing')
  for (const [why, there, isThere] of cases) {
    writeJson(join(folder, hidden), { packages: there })
    t.equal(isInstalled(folder), isThere, why)
  }
})

test('the packages have exact versions, and a lock of these', async (t) => {
  const root = join(project, 'scripts/packages')
  for (const name of readdirSync(root) as OnDemand[]) {
    const read = (file: string) => JSON.parse(readFileSync(join(root, name, file), 'utf8')) as never
    const { dependencies }: { dependencies: Record<string, string> } = read('package.json')
    const { packages }: { packages: Record<string, object> } = read('package-lock.json')
    t.match(dependencies, { [name]: /^\d+\.\d+\.\d+$/ }, name)
    t.strictSame(packages[''], { dependencies }, name)
    if (!isInstalled(join(root, name)))
      t.throws(() => load(name), { message: `npm ci --prefix scripts/packages/${name}` }, name)
  }
})
