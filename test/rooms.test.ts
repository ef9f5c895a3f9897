import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { layers, nouns } from '../scripts/nouns.ts'

const src = join(import.meta.dirname, '../src')

/** Rooms that serve any noun. What a noun needs of them comes in through its module in src/app. */
const rooms =
  'call client conf data/changes fleet gateway http2 memory rest server telemetry text'.split(' ')

/** Words of other meanings, by why they are none. */
const otherMeanings: Record<string, RegExp> = {
  'the name of this program': /user-service/g,
  'the header of HTTP and its attribute': /user[-_]?agent/gi,
  'the account at another server': /username/g,
  "the caller in OpenTelemetry's conventions": /\benduser\b/g,
  'the time of the CPU outside of the kernel':
    /\{ user, system \}|\((?:\w+\.)?user \+ (?:\w+\.)?system\)/g,
}

/** The files of a folder below src, by their path there. */
function filesOf(folder: string): string[] {
  return readdirSync(join(src, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name))
}

const textOf = (file: string) => readFileSync(join(src, file), 'utf8')

/** The lines in which `found` is left when the words of other meanings are out. */
function linesWith(found: RegExp, file: string): string[] {
  return textOf(file)
    .split('\n')
    .map((line) =>
      Object.values(otherMeanings).reduce((left, word) => left.replace(word, ''), line),
    )
    .flatMap((line, index) => (found.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : []))
}

test('the rooms that serve any noun do not know of users', async (t) => {
  t.strictSame(
    rooms.flatMap(filesOf).flatMap((file) => linesWith(/user/i, file)),
    [],
  )
})

test('the words of other meanings are there', async (t) => {
  const all = rooms.flatMap(filesOf).map(textOf).join('\n')
  for (const [meaning, word] of Object.entries(otherMeanings)) t.match(all, word, meaning)
})

test('only the module of a noun imports it from the layers or the generated code', async (t) => {
  t.ok(nouns().includes('user'))
  for (const noun of nouns()) {
    const importing = new RegExp(`from '.*/(?:(?:${layers.join('|')})/|gen/api/)${noun}\\b`)
    const others = [...rooms, 'app', 'command']
      .flatMap(filesOf)
      .filter((file) => !file.startsWith(join('app', noun)))
    t.strictSame(
      others.flatMap((file) => linesWith(importing, file)),
      [],
      noun,
    )
  }
})
