import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'

import { rereadFile } from '../../src/app/settings/reread.ts'
import { until } from '../help/until.ts'

interface Tap {
  testdir(files: Record<string, string>): string
}

/** A file that is read again, and what was told of it. */
function reread(t: Tap, parse: (text: string) => string) {
  const file = join(t.testdir({ keys: 'old' }), 'keys')
  const told: string[] = []
  const current = rereadFile(file, parse, {
    renewed: (text) => told.push(text),
    failed: ({ message }) => told.push(message),
  })
  return { file, told, current }
}

test('a file that could not be used is looked at again although it has not changed', async (t) => {
  let isBroken = false
  const { file, told, current } = reread(t, (text) => {
    if (isBroken) throw new Error('cannot be read')
    return text
  })
  isBroken = true
  writeFileSync(file, 'new')
  await until('the failure', () => current() === 'old' && told.length === 1)
  isBroken = false
  await until('the new content', () => current() === 'new')
  t.same(told, ['cannot be read', 'new'])
})

test('a file that is empty for a moment leaves what it had in force', async (t) => {
  const { file, told, current } = reread(t, (text) => text)
  writeFileSync(file, '')
  await until('the failure', () => current() === 'old' && told.length === 1)
  t.same(told, ['it is empty, as a file is that is being written'])
  writeFileSync(file, 'new')
  await until('the new content', () => current() === 'new')
})
