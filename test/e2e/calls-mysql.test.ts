import { test } from 'tap'
import { runCalls } from './calls.ts'

test('every call has one outcome over all protocols, on MySQL or MariaDB', (t) =>
  runCalls(t, { storage: 'mysql' }))
