import { test, type Test } from 'tap'
import { type RunningApp, startApp } from '../help/app.ts'
import { mutualTls } from '../help/certificates.ts'
import { type Call, callers } from './callers.ts'
import { type Credentials, http1Wire, http2Wire } from './wire.ts'

/** A caller of each protocol over each version of HTTP, by name. */
function everyCaller(t: Test, app: RunningApp, credentials: Credentials): [string, Call][] {
  return [http1Wire(credentials), http2Wire(t, credentials)].flatMap((wire) =>
    Object.entries(callers(app, wire)).map(([protocol, call]): [string, Call] => [
      `${protocol} over HTTP/${wire.httpVersion}`,
      call,
    ]),
  )
}

/** Whether the service itself answers, be it with an error of its own. */
async function answers(call: Call): Promise<boolean> {
  const outcome = await call('getUser', { id: '1' }).catch(() => undefined)
  return outcome !== undefined && ('message' in outcome || outcome.reason !== '')
}

test('a client without a certificate of the known authority gets no answer over any protocol', async (t) => {
  const { env, client, stranger, nobody } = mutualTls(t)
  const app = await startApp(t, { storage: 'sqlite', env })
  const exchanges = () => app.log().filter(({ kind }) => kind === 'server').length
  for (const [who, credentials] of Object.entries({ stranger, nobody }))
    for (const [name, call] of everyCaller(t, app, credentials))
      t.equal(await answers(call), false, `${name}, ${who}`)
  t.equal(exchanges(), 0, 'none has got as far as HTTP')
  const reasons = app.log().filter(({ msg }) => msg === 'TLS handshake failed')
  t.strictSame(
    new Set(reasons.map(({ reason }) => reason)),
    new Set(['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE']),
    'and the log says why',
  )
  for (const [name, call] of everyCaller(t, app, client))
    t.equal(await answers(call), true, `${name}, client`)
  t.equal(exchanges(), 10)
})
