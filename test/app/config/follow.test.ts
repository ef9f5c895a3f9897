import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { test, type Test } from 'tap'
import { followConfig } from '../../../src/app/config/follow.ts'
import { watchers } from '../../../src/app/watch.ts'
import { configReader } from '../../../src/command/settings.ts'
import { liveConf } from '../../../src/conf/live.ts'
import type { ConfigSource } from '../../../src/fleet/config-source.ts'
import { aborted } from '../../../src/fleet/keep.ts'
import { until } from '../../help/until.ts'

type Tell = Parameters<ConfigSource['follow']>[1]

/** A source without a document, which then tells what it is given. */
function toldSource(kind: string) {
  let told: Tell | undefined
  const source: ConfigSource = {
    kind,
    key: 'users',
    follow(signal, tell) {
      told = tell
      tell(undefined)
      return aborted(signal)
    },
    close: () => undefined,
  }
  return { source, put: (text: string | undefined) => told?.(text) }
}

/** Follows a file, which is read when it is put, and sources that are told by the test. */
function following(t: Test, ...kinds: string[]) {
  const path = join(t.testdir({ 'config.yaml': 'config: {watch_file: false}\n' }), 'config.yaml')
  const reader = configReader(path, {})
  const centres = kinds.map(toldSource)
  const sources = centres.map(({ source }) => source)
  const documents = new Map(sources.map((source) => [source, undefined]))
  const first = reader.read(documents)
  const live = liveConf(first.conf)
  const lines: string[] = []
  const log = pino({}, { write: (line) => lines.push((JSON.parse(line) as { msg: string }).msg) })
  const opened = { ...first, reader, sources, documents, notes: [] }
  const followed = followConfig({ opened, live, watch: watchers({ log }) })
  t.teardown(() => followed.close())
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
