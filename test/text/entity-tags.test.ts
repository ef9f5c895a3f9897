import { test } from 'tap'
import { entityTags } from '../../src/text/entity-tags.ts'

test('a list of entity tags is split at its commas, which may stand in tags too', async (t) => {
  const lists: Record<string, string[]> = {
    '"a"': ['"a"'],
    'W/"a"': ['W/"a"'],
    '""': ['""'],
    '"a", "b"': ['"a"', '"b"'],
    '"a,b",W/"c"\t,\t"d"': ['"a,b"', 'W/"c"', '"d"'],
    ' , ,"a",,"b", ': ['"a"', '"b"'],
    '"W/*"': ['"W/*"'],
    '"\x80\xff!"': ['"\x80\xff!"'],
  }
  for (const [list, tags] of Object.entries(lists)) t.strictSame(entityTags(list), tags, list)
})

test('what is no list of entity tags is none', async (t) => {
  const others = ['', ' ', ',', '*', 'a', '"', '"a', 'a"', '"a""b"', '"a" "b"', '"a";"b"', '"a",b']
  const characters = ['w/"a"', 'W/ "a"', '"a b"', '"\x7f"', '"\n"', '"€"', '"a"\n', '\u00a0"a"']
  for (const text of [...others, ...characters])
    t.equal(entityTags(text), undefined, JSON.stringify(text))
})

test('the time to read a list grows with its length, not with its square', async (t) => {
  t.equal(entityTags('"'.repeat(1_000_001)), undefined)
  t.equal(entityTags(`"a"${' ,'.repeat(1_000_000)}x`), undefined)
  t.equal(entityTags('"a",'.repeat(250_000))?.length, 250_000)
})
