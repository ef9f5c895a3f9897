import { createRouterTransport, createClient } from '@connectrpc/connect'
import { test } from 'tap'
import type { UserFields, UserUsecase } from '../../src/biz/user.ts'
import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { userService } from '../../src/service/user.ts'
import { errors } from '../../src/server/interceptor/errors.ts'
import { ErrorInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts'
import { ConnectError } from '@connectrpc/connect'

function service() {
  const updates: Partial<UserFields>[] = []
  const queries: unknown[] = []
  const usecase = {
    async update(id: bigint, changes: Partial<UserFields>) {
      updates.push(changes)
      return { id, name: '', email: '', phone: '', createdAt: new Date(1999) }
    },
    async list(query: unknown) {
      queries.push(query)
      return { users: [], total: 0, next: undefined }
    },
  } as unknown as UserUsecase
  const transport = createRouterTransport((router) => router.service(User, userService(usecase)), {
    router: { interceptors: [errors] },
  })
  return { client: createClient(User, transport), updates, queries }
}

async function fields(work: Promise<unknown>): Promise<Record<string, string>> {
  try {
    await work
  } catch (err) {
    const [info] = ConnectError.from(err).findDetails(ErrorInfoSchema)
    if (info?.reason === 'INVALID_USER_INPUT') return info.metadata
    throw err
  }
  throw new Error('it was accepted')
}

test('without a mask the fields that are present change', async (t) => {
  const { client, updates } = service()
  await client.updateUser({ id: 1n, user: { name: 'A' } })
  await client.updateUser({ id: 1n, user: { phone: '', email: 'e' }, updateMask: { paths: [] } })
  t.strictSame(updates, [{ name: 'A' }, { email: 'e', phone: '' }])
})

test('a mask decides which fields change, and clears a phone without a value', async (t) => {
  const { client, updates } = service()
  const user = { name: 'A', email: 'e' }
  await client.updateUser({ id: 1n, user, updateMask: { paths: ['name'] } })
  await client.updateUser({ id: 1n, user, updateMask: { paths: ['phone', 'email'] } })
  await client.updateUser({ id: 1n, user, updateMask: { paths: ['*'] } })
  t.strictSame(updates, [
    { name: 'A' },
    { email: 'e', phone: '' },
    { name: 'A', email: 'e', phone: '' },
  ])
})

test('clearing name or mail, unknown paths and nothing to change are refused, all at once', async (t) => {
  const { client, updates } = service()
  const masked = await fields(
    client.updateUser({ id: 1n, updateMask: { paths: ['name', 'email', 'id'] } }),
  )
  t.match(masked, {
    'user.name': 'cannot be cleared',
    'user.email': 'cannot be cleared',
    update_mask: /"id"/,
  })
  t.match(await fields(client.updateUser({ id: 1n, user: {} })), { user: /name, email, phone/ })
  t.match(await fields(client.updateUser({ id: 1n })), { user: /something to change/ })
  t.strictSame(updates, [])
})

test('created_at is in whole seconds', async (t) => {
  const { client } = service()
  t.equal((await client.updateUser({ id: 1n, user: { name: 'A' } })).createdAt, 1n)
})

test('a list is by page or after a token, never both', async (t) => {
  const { client, queries } = service()
  await client.listUsers({})
  await client.listUsers({ page: 3, pageSize: 7 })
  t.strictSame(queries, [
    { page: 1, size: 0 },
    { page: 3, size: 7 },
  ])
  t.match(await fields(client.listUsers({ page: 1, pageToken: 'djE6MQ' })), { page_token: /page/ })
  t.match(await fields(client.listUsers({ pageToken: 'djE6MA' })), {
    page_token: /next_page_token/,
  })
})
