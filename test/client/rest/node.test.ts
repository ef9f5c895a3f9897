import { Code } from '@connectrpc/connect'
import { test, type Test } from 'tap'
import { clientOf } from '../../../src/client/client.ts'
import type { ClientProtocol } from '../../../src/client/settings.ts'
import { overRest } from '../../../src/client/rest/open-node.ts'
import { User } from '../../../src/gen/api/user/v1/user_pb.ts'
import { startApp } from '../../help/app.ts'
import { peer } from './peer.ts'

function usersAt(t: Test, target: string, protocol: ClientProtocol) {
  const users = clientOf(User, target, { protocol, protocols: overRest, timeoutMs: 30_000 })
  t.teardown(() => users[Symbol.asyncDispose]())
  return users
}

for (const protocol of ['kratos2', 'kratos3'] as const)
  test(`a client over ${protocol} passes by a node that is not there`, async (t) => {
    const { rest } = await startApp(t, { storage: 'sqlite' })
    const users = usersAt(t, `direct:///127.0.0.1:${rest.port},127.0.0.1:1`, protocol)
    for (let call = 0; call < 50; call += 1)
      t.ok((await users.createUser({ name: 'A', email: `a${call}@example.com` })).id > 0n)
    await t.rejects(users.getUser({ id: 999n }), { code: Code.NotFound })
  })

test('a lost call over REST is tried again only if its method has no side effects', async (t) => {
  let tries = 0
  const { url } = await peer(t, (request) => {
    tries += 1
    request.socket.destroy()
  })
  const users = usersAt(t, url, 'kratos2')
  await t.rejects(users.createUser({}), { code: Code.Unavailable })
  t.equal(tries, 1)
  await t.rejects(users.getUser({ id: 1n }), { code: Code.Unavailable })
  t.equal(tries, 1 + 3)
})
