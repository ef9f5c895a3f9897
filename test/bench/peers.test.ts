import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'

import { readOptions } from '../../bench/peers/options.ts'
import { nameOf } from '../../bench/peers/slice.ts'

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
