import { test } from 'tap'
import { certificateIn, checkPem } from '../../../src/server/listener/pem.ts'
import { certificates } from '../../help/certificates.ts'

test('texts that node:tls would take for no certificate, or for everybody’s, are refused', async (t) => {
  const authority = certificates(t)
  const server = authority.issue('server')
  const good = {
    ca: String(authority.ca),
    cert: String(server.cert),
    key: String(server.key),
  }
  checkPem(good)
  t.equal(certificateIn(good.cert).subject, 'CN=server')
  for (const name of ['ca', 'cert', 'key'])
    for (const text of ['', '\n', 'no certificate'])
      t.throws(() => checkPem({ ...good, [name]: text }), `${name}: ${JSON.stringify(text)}`)
  t.throws(
    () => checkPem({ ...good, key: String(authority.issue('other').key) }),
    'the key of another one',
  )
})
