import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { test, type Test } from 'tap'
import { followConfig } from '../../../src/app/config/follow.ts'
import { lenient } from '../../../src/app/config/first-documents.ts'
import type { OpenedConfig } from '../../../src/app/config/open.ts'
import { watchers } from '../../../src/app/watch.ts'
import { configReader } from '../../../src/command/settings.ts'
import { liveConf } from '../../../src/conf/live.ts'
import type { ConfigSource } from '../../../src/fleet/config-source.ts'
import { aborted } from '../../../src/fleet/keep.ts'
import { until } from '../../help/until.ts'

type Tell = Parameters<ConfigSource['follow']>[1]

/** A source with a document or none, which then tells what it is given. */
function toldSource(kind: string, first?: string) {
  let told: Tell | undefined
  const source: ConfigSource = {
    kind,
    key: 'users',
    follow(signal, tell) {
      told = tell
      tell(first)
      return aborted(signal)
    },
    close: () => undefined,
  }
  return { source, put: (text: string | undefined) => told?.(text) }
}

/** Follows what was opened until the test ends. */
function follow(t: Test, opened: OpenedConfig) {
  const live = liveConf(opened.conf)
  const lines: string[] = []
  const log = pino({}, { write: (line) => lines.push((JSON.parse(line) as { msg: string }).msg) })
  const followed = followConfig({ opened, live, watch: watchers({ log }) })
  t.teardown(() => followed.close())
  return { live, lines, followed }
}

/** Follows a file, which is read when it is put, and sources that are told by the test. */
function following(t: Test, ...kinds: string[]) {
  const path = join(t.testdir({ 'config.yaml': 'config: {watch_file: false}\n' }), 'config.yaml')
  const reader = configReader(path, {})
  const centres = kinds.map((kind) => toldSource(kind))
  const sources = centres.map(({ source }) => source)
  const documents = new Map(sources.map((source) => [source, undefined]))
  const first = { ...reader.read(documents), documents, read: new Set(sources), notes: [] }
  const { live, lines, followed } = follow(t, { ...first, reader, sources })
  async function putFile(text: string): Promise<void> {
    writeFileSync(path, `config: {watch_file: false}\n${text}`)
    await followed.readAgain()
  }
  return {
    putFile,
    shed: () => live.current().limits.shed,
    told: (pattern: RegExp) => lines.filter((line) => pattern.test(line)),
    stateOf: (kind: string) => followed.state().sources.find((each) => each.kind === kind),
    centres: centres.map(({ put }) => put),
  }
}

const refusedLine = /^the document is refused/
const critical = 'limits: {shed: {cpu_critical: 0.99}}\n'

test('a document that another one kept out is taken once that one has changed', async (t) => {
  const { shed, told, stateOf, centres, putFile } = following(t, 'etcd')
  centres[0]?.('limits: {shed: {cpu: 0.97}}\n')
  await until('the refusal', () => told(refusedLine).length === 1)
  t.match(stateOf('etcd'), { applied: 0, refused: 1, isRefused: true })

  await putFile(critical)
  await until('the document', () => shed().cpu === 0.97)
  t.match(stateOf('etcd'), { applied: 1, refused: 1, isRefused: false })
  t.match(stateOf('file'), { applied: 1, isRefused: false })
  t.strictSame(told(/^settings have changed|in force again/), [
    'settings have changed: limits.shed.cpu_critical',
    'settings have changed: limits.shed.cpu',
  ])

  centres[0]?.('limits: {shed: {cpu: 0.96}}\n')
  await until('the next document', () => shed().cpu === 0.96)
  t.equal(told(refusedLine).length, 1)
})

test('a deletion that another document kept out counts once that one has changed', async (t) => {
  const { shed, told, centres, putFile } = following(t, 'etcd')
  centres[0]?.(critical)
  await until('the document', () => shed().cpuCritical === 0.99)
  await putFile('limits: {shed: {cpu: 0.97}}\n')
  centres[0]?.(undefined)
  await until('the refusal', () => told(refusedLine).length === 1)
  await putFile('limits: {shed: {cpu: 0.91}}\n')
  await until('the deletion', () => shed().cpuCritical === 0.95)
})

test('a document refused again is told again only if it is for another reason', async (t) => {
  const { shed, told, stateOf, centres, putFile } = following(t, 'etcd')
  centres[0]?.('limits: {shed: {cpu: 0.97}}\n')
  await until('the refusal', () => told(refusedLine).length === 1)
  await putFile('log: {level: warn}\n')
  await putFile('log: {level: error}\n')
  t.match(stateOf('file'), { applied: 2 })
  t.equal(told(refusedLine).length, 1)
  t.match(stateOf('etcd'), { applied: 0, refused: 1, isRefused: true })

  await putFile('limits: {shed: {cpu_critical: 0.96}}\n')
  await until('the other reason', () => told(refusedLine).length === 2)
  t.match(told(refusedLine)[1], /must be at least limits\.shed\.cpu/)
  t.equal(shed().cpu, 0.9)
})

test('a document that was refused and is taken lets in those that it kept out', async (t) => {
  const { shed, told, stateOf, centres, putFile } = following(t, 'etcd', 'consul')
  centres[0]?.('limits: {shed: {cpu: 0.97}}\n')
  centres[1]?.(`${critical}auth: {jwt: {jwks_url: "https://id.example.com/keys"}}\n`)
  await until('two refusals', () => told(refusedLine).length === 2)
  await putFile('auth: {jwt: {issuer: "https://id.example.com", audience: users}}\n')
  await until('both documents', () => shed().cpu === 0.97 && shed().cpuCritical === 0.99)
  for (const kind of ['etcd', 'consul'])
    t.match(stateOf(kind), { applied: 1, refused: 1, isRefused: false })
  t.equal(told(refusedLine).length, 2)
})

/** A start with a copy that the file, whose cpu_critical is 0.91, does not let in. */
async function startBesideCopy(t: Test, sources: readonly ConfigSource[]) {
  const copied = { 'etcd:users': 'limits: {shed: {cpu: 0.92}}', 'consul:users': 'log: {}' }
  const files = t.testdir({ 'copy.json': JSON.stringify(copied) })
  const copy = join(files, 'copy.json')
  const path = join(files, 'config.yaml')
  const config = `config: {watch_file: false, cache_file: ${JSON.stringify(copy)}}`
  writeFileSync(path, `${config}\nlimits: {shed: {cpu_critical: 0.91}}\n`)
  const reader = configReader(path, {})
  const first = await lenient(reader, sources, reader.read(new Map()).conf.config)
  const copyNow = () => JSON.parse(readFileSync(copy, 'utf8')) as unknown
  return { opened: { ...first, reader, sources }, copied, copyNow }
}

const awaySource: ConfigSource = {
  kind: 'etcd',
  key: 'users',
  follow: () => Promise.reject(new Error('nobody answers')),
  close: () => undefined,
}

test('a start that cannot use the copy says so, and what is not read stays in the copy', async (t) => {
  const { source: consul, put } = toldSource('consul', 'log: {level: warn}')
  const { opened, copied, copyNow } = await startBesideCopy(t, [awaySource, consul])
  t.match(opened.notes, [
    /^etcd:users: nobody answers; its last good copy cannot be used$/,
    /cpu_critical: found 0\.91, must be at least limits\.shed\.cpu, which is 0\.92$/,
  ])
  t.equal(opened.notes.length, 2)

  const { live } = follow(t, opened)
  t.strictSame(copyNow(), copied)
  await until('the document', () => live.current().log.level === 'warn')
  put('log: {level: error}')
  const expected = { ...copied, 'consul:users': 'log: {level: error}' }
  await until('the copy', () => JSON.stringify(copyNow()) === JSON.stringify(expected))
})

test('a document that turns out to be deleted is not in the copy any more', async (t) => {
  const { source: consul } = toldSource('consul')
  const { opened, copied, copyNow } = await startBesideCopy(t, [awaySource, consul])
  follow(t, opened)
  t.strictSame(copyNow(), { ...copied, 'consul:users': null })
})
