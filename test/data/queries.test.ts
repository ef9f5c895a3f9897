import { test } from 'tap'
import { lazily } from '../../src/data/queries.ts'

test('the statements of a noun are built when they are first asked for, and once', async (t) => {
  const built: string[] = []
  function builder(noun: string) {
    return () => {
      built.push(noun)
      return { noun }
    }
  }
  const queries = lazily<Record<'one' | 'other', object>>({
    one: builder('one'),
    other: builder('other'),
  })
  t.strictSame(built, [])
  const { one } = queries
  t.strictSame(one, { noun: 'one' })
  t.equal(queries.one, one)
  t.strictSame(built, ['one'])
})
