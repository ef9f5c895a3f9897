import { test } from 'tap'
import { byRestTransport } from '../../e2e/callers.ts'
import { runCalls } from '../../e2e/calls.ts'
import { http1Wire } from '../../e2e/wire.ts'
import { certificates } from '../../help/certificates.ts'
import { transportTo } from './peer.ts'

for (const dialect of ['kratos2', 'kratos3'] as const)
  test(`every call has the outcome of all protocols by the REST client in ${dialect}`, (t) =>
    runCalls(t, {
      storage: 'sqlite',
      client: ({ rest }) => byRestTransport(transportTo(t, rest.url, { dialect })),
    }))

test('every call has the outcome of all protocols by the REST client and TLS', (t) => {
  const authority = certificates(t)
  const { certFile, keyFile } = authority.issue('server')
  return runCalls(t, {
    storage: 'sqlite',
    env: { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile },
    wire: http1Wire({ ca: authority.ca }),
    client: ({ rest }) => byRestTransport(transportTo(t, rest.url, { tls: { ca: authority.ca } })),
  })
})
