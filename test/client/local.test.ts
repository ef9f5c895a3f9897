import { Code, type ServiceImpl } from '@connectrpc/connect'
import { test } from 'tap'
import { clientOf } from '../../src/client/client.ts'
import { fallback } from '../../src/client/fallback.ts'
import type { LocalTarget } from '../../src/client/node/local.ts'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { ErrorInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts'
import { interceptors } from '../../src/server/interceptor/list.ts'
import { certificates } from '../help/certificates.ts'
import { served, spanMemory, trees } from '../help/spans.ts'
import { caught } from './callers.ts'
import { hop } from './hop.ts'

/** Slow is no failure here. */
const patient = { timeoutMs: 60_000 }

/** Handlers in this process, with the interceptors of the ports. */
function local(users: Partial<ServiceImpl<typeof User>>): LocalTarget {
  return {
    routes: (router) => router.service(User, users),
    interceptors: interceptors({ defaultMs: 60_000, byOperation: new Map() }, () => undefined),
  }
}

test('handlers in the same process are called with the interceptors of the ports', async (t) => {
  const headers: (string | null)[] = []
  const target = local({
    getUser({ id }, { requestHeader }) {
      headers.push(requestHeader.get('x-md-service-name'))
      return { id }
    },
  })
  await using users = clientOf(User, target, { ...patient, service: 'orders' })
  t.match(await users.getUser({ id: 7n }), { id: 7n })
  t.strictSame(headers, ['orders'])
  const refused = await users.getUser({ id: 0n }).catch(caught)
  t.match(refused, { code: Code.InvalidArgument, rawMessage: /id: / })
  t.match('findDetails' in refused && refused.findDetails(ErrorInfoSchema), [
    { reason: 'INVALID_ARGUMENT' },
  ])
})

test('a call that fails is answered by its fallback', async (t) => {
  const target = local({
    getUser() {
      throw new Error('broken')
    },
  })
  await using users = clientOf(User, target, patient)
  const options = fallback(User.method.getUser, ({ code }) => ({ id: BigInt(code) }))
  t.match(await users.getUser({ id: 1n }, options), { id: BigInt(Code.Internal) })
})

test('an error in the same process is not tried again', async (t) => {
  let calls = 0
  const target = local({
    getUser() {
      calls += 1
      throw new Error('broken')
    },
  })
  await using users = clientOf(User, target, patient)
  for (let n = 0; n < 50; n += 1)
    t.match(await users.getUser({ id: 1n }).catch(caught), { code: Code.Internal })
  t.equal(calls, 50, 'and no breaker opens')
})

test('a deadline ends a call in the same process', async (t) => {
  const aborted = Promise.withResolvers<void>()
  const target = local({
    async getUser(_request, { signal }) {
      signal.addEventListener('abort', () => aborted.resolve())
      await aborted.promise
      return {}
    },
  })
  await using users = clientOf(User, target, { timeoutMs: 20 })
  t.match(await users.getUser({ id: 1n }).catch(caught), { code: Code.DeadlineExceeded })
  await aborted.promise
})

test('the trace of a call in the same process has the shape of one over a wire', async (t) => {
  const memory = spanMemory()
  const back = await hop(t, { users: () => ({ getUser: ({ id }) => ({ id }) }) })
  const front = await hop(t, {
    spans: memory.exporter,
    users(clients) {
      const remote = clients.of(User, `direct:///${back.grpc}`, patient)
      const inside = clients.of(
        User,
        local({ getUser: ({ id }) => remote.getUser({ id }) }),
        patient,
      )
      return { getUser: ({ id }) => inside.getUser({ id }) }
    },
  })
  await using users = clientOf(User, `direct:///${front.grpc}`, patient)
  const spans = await memory.of(() => users.getUser({ id: 1n }), served(1))
  const name = 'api.user.v1.User/GetUser'
  t.strictSame(trees(spans), [`SERVER ${name}\n  CLIENT ${name}\n    CLIENT ${name}`])
})

test('nodes are reached over TLS, and a certificate that does not fit is told', async (t) => {
  const { ca, issue } = certificates(t)
  const files = issue('server')
  const { grpc } = await hop(t, {
    users: () => ({ getUser: ({ id }) => ({ id }) }),
    env: { TLS_CERT_FILE: files.certFile, TLS_KEY_FILE: files.keyFile },
  })
  const trusted = { ca: ca.toString() }
  for (const target of [`https://${grpc}`, `direct:///${grpc}`])
    for (const protocol of ['grpc', 'connect'] as const) {
      await using users = clientOf(User, target, { ...patient, protocol, tls: trusted })
      t.match(await users.getUser({ id: 3n }), { id: 3n })
    }
  await using strangers = clientOf(User, `https://${grpc}`, patient)
  t.match(await strangers.getUser({ id: 3n }).catch(caught), {
    code: Code.Unavailable,
    rawMessage: /certificate/,
  })
  const other = { ...trusted, serverName: 'users.example.org' }
  await using misnamed = clientOf(User, `https://${grpc}`, { ...patient, tls: other })
  t.match(await misnamed.getUser({ id: 3n }).catch(caught), {
    code: Code.Unavailable,
    rawMessage: /altnames/,
  })
})
