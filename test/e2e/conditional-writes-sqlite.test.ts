import { test } from 'tap'
import { runConditionalWrites } from './conditional-writes.ts'

test('a write is made only in the state that its client names, on SQLite', (t) =>
  runConditionalWrites(t, 'sqlite'))
