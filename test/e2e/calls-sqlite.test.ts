import { test } from 'tap'
import { runCalls } from './calls.ts'

test('every call has one outcome over all protocols, on SQLite', (t) =>
  runCalls(t, { storage: 'sqlite' }))
