import { test } from 'tap'
import { mutualTls } from '../help/certificates.ts'
import { runCalls } from './calls.ts'
import { http1Wire } from './wire.ts'

test('every call has one outcome over TLS and HTTP/1.1, with client certificates demanded', (t) => {
  const { env, client } = mutualTls(t)
  return runCalls(t, { storage: 'sqlite', env, wire: http1Wire(client) })
})
