import {
  ConnectError,
  createClient,
  createRouterTransport,
  type Interceptor,
} from '@connectrpc/connect'
import { test } from 'tap'
import { invalidUserInput } from '../../../src/biz/user.ts'
import { User } from '../../../src/gen/api/user/v1/user_pb.ts'
import { ErrorInfoSchema } from '../../../src/gen/google/rpc/error_details_pb.ts'
import { Health } from '../../../src/gen/health/v1/health_pb.ts'
import { interceptors } from '../../../src/server/interceptor/list.ts'

const limits = { defaultMs: 10_000, byOperation: new Map<string, number>() }
const malformed = 'must be Unicode text without U+0000 and without lone surrogates'

/** Two services, of which one has a reason of its own. No message that is valid reaches them. */
function served(chain: Interceptor[]) {
  const transport = createRouterTransport(
    (router) => router.service(User, {}).service(Health, {}),
    { router: { interceptors: chain } },
  )
  return { users: createClient(User, transport), health: createClient(Health, transport) }
}

async function infoOf(call: Promise<unknown>) {
  const err = await call.then(
    () => new Error('it was answered'),
    (reason: unknown) => ConnectError.from(reason),
  )
  return err instanceof ConnectError ? err.findDetails(ErrorInfoSchema)[0] : undefined
}

test('an invalid message is refused with the reason of its service, else INVALID_ARGUMENT', async (t) => {
  const invalidOf = ({ typeName }: { typeName: string }) =>
    typeName === User.typeName ? invalidUserInput : undefined
  const { users, health } = served(interceptors(limits, invalidOf))
  t.match(await infoOf(users.getUser({})), {
    reason: 'INVALID_USER_INPUT',
    metadata: { id: String },
  })
  const refused = { reason: 'INVALID_ARGUMENT', metadata: { service: malformed } }
  t.match(await infoOf(health.check({ service: 'a\0' })), refused)
  const watched = health.watch({ service: 'a\0' })[Symbol.asyncIterator]()
  t.match(await infoOf(watched.next()), refused, 'in a stream, too')
})
