import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'

import { readOptions } from '../../bench/peers/options.ts'
import { report } from '../../bench/peers/report.ts'
import { merged, type Row } from '../../bench/peers/results.ts'
import { nameOf, type Slice } from '../../bench/peers/slice.ts'

const project = join(import.meta.dirname, '../..')
const dependencies = (folder: string) => {
  const text = readFileSync(join(project, folder, 'package.json'), 'utf8')
  const manifest = JSON.parse(text) as Record<string, Record<string, string>>
  return { ...manifest['devDependencies'], ...manifest['dependencies'] }
}

test('the peers on Node have the versions of the packages that the service has', async (t) => {
  const own = dependencies('.')
  for (const [name, version] of Object.entries(dependencies('bench/peers/node')))
    if (name in own) t.equal(version, own[name], name)
})

test('a call names both protocols or one, and creates come last', async (t) => {
  const cases = (...args: string[]) => readOptions(args).cases.map(nameOf)
  t.same(cases('--cases', 'create,rest-get'), ['rest-get', 'rest-create', 'grpc-create'])
  t.same(cases('--cases', 'list'), ['rest-list', 'grpc-list'])
  t.throws(() => cases('--cases', 'get,put'), /no such call: put/)
})

test('a run has at least one process, round and second', async (t) => {
  t.equal(readOptions(['--processes', '3']).processes, 3)
  for (const option of ['--processes', '--rounds', '--seconds'])
    for (const text of ['0', 'x', '1.5', ''])
      t.throws(
        () => readOptions([option, text]),
        /not a whole number of at least 1/,
        `${option} ${text}`,
      )
})

test('the processes of a server have one row, and ratios of those that were measured in turn', async (t) => {
  const row = (name: string, ...costs: number[]) =>
    ({
      of: { protocol: 'rest', call: 'get' },
      server: { name, ratio: undefined },
      warmUps: [{ calls: 1, firstUs: 1, bestUs: 1, settled: true, failed: [] }],
      full: costs.map((serverUs) => ({ serverUs, databaseUs: 1 }) as Slice),
      half: [],
    }) as unknown as Row
  const rows = merged([row('ours', 20), row('kratos', 10), row('ours', 90), row('kratos', 30)])
  const text = report({ rows, rest: new Map(), loadedMb: new Map([['ours', [100, 140]]]) })
  t.match(text, /rest-get \| ours \| 55 \(38–73\) \|  \| 2\.50 \(2\.25–2\.75\) /)
  t.match(text, /rest-get \| kratos \| 20 \(15–25\) \| 0\.42 /)
  t.match(text, /\| ours \|  \|  \| 120 \(110–130\) \|/)
})
