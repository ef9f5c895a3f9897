import { join } from 'node:path'
import { test } from 'tap'
import type { Import } from '../../scripts/imports.ts'
import { allImports, problemsOf, rooms } from '../../scripts/rooms.ts'

process.chdir(join(import.meta.dirname, '../..'))
const there = allImports()

/** Those that put the parts together may use every package. */
const free = ['src/app', 'src/command', 'src/main.ts']

const fileIn = (room: string) => (room.endsWith('.ts') ? room : `${room}/planted.ts`)

function planted(from: string, to: string, ours = to.startsWith('src/')): Import {
  return { from, line: 1, to, ours }
}

test('the imports of src are those of the table', async (t) => {
  t.ok(there.length > 500)
  t.strictSame(problemsOf(there), [])
})

for (const room of rooms) {
  const from = fileIn(room)

  if (!free.includes(room))
    test(`a package that ${room} may not use is found`, async (t) => {
      t.match(problemsOf([...there, planted(from, 'left-pad/index.js')]), [
        `${from}:1 ${room} may not use left-pad`,
      ])
    })

  if (room !== 'src/main.ts')
    test(`an import of what is above ${room} is found`, async (t) => {
      t.match(problemsOf([planted(from, 'src/main.ts')]), [
        `${from}:1 ${room} may not import from src/main.ts`,
      ])
    })
}

test('rooms beside each other do not see each other', async (t) => {
  const cases: [from: string, to: string][] = [
    ['src/biz', 'src/data'],
    ['src/service', 'src/data'],
    ['src/data', 'src/service'],
    ['src/data/sqlite', 'src/data/mysql'],
    ['src/rest', 'src/server'],
    ['src/rest/request', 'src/rest/answer'],
    ['src/server/listener', 'src/server/exchange'],
    ['src/call', 'src/rest'],
    ['src/app', 'src/command'],
  ]
  for (const [from, to] of cases)
    t.match(problemsOf([planted(fileIn(from), fileIn(to))]), [`${from} may not import from ${to}`])
})

test('a file that is in no room is found', async (t) => {
  t.match(problemsOf([planted('src/planted.ts', 'node:fs')]), ['is in no room of the table'])
})

test('a circle is found, and told once with its files', async (t) => {
  const [one, two, three] = ['src/biz/one.ts', 'src/biz/two.ts', 'src/biz/three.ts']
  const circle = [planted(one, two), planted(two, three), planted(three, one)]
  t.strictSame(problemsOf([...there, ...circle]), [`circle: ${one} → ${two} → ${three} → ${one}`])
})
