import { test } from 'tap'
import { startApp } from '../help/app.ts'
import { mutualTls } from '../help/certificates.ts'
import { type Call, namedCallers } from './callers.ts'
import { runCalls } from './calls.ts'
import { bothWires } from './wire.ts'

test('every call has one outcome over all protocols, with client certificates demanded', (t) =>
  runCalls(t, 'sqlite', mutualTls(t)))

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
    for (const { name, call } of namedCallers(app, bothWires(t, credentials)))
      t.equal(await answers(call), false, `${name}, ${who}`)
  t.equal(exchanges(), 0, 'none has got as far as HTTP')
  for (const { name, call } of namedCallers(app, bothWires(t, client)))
    t.equal(await answers(call), true, `${name}, client`)
  t.equal(exchanges(), 9)
})
