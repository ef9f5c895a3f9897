import { inspect } from 'node:util'
import { ConnectError, createClient, createRouterTransport } from '@connectrpc/connect'
import { test } from 'tap'
import {
  type User as DomainUser,
  type UserFields,
  type UserQuery,
  userTag,
  type UserUsecase,
} from '../../src/biz/user.ts'
import { type GetUserReply, User } from '../../src/gen/api/user/v1/user_pb.ts'
import { ErrorInfoSchema } from '../../src/gen/google/rpc/error_details_pb.ts'
import { errors } from '../../src/server/interceptor/errors.ts'
import { encodePageToken } from '../../src/service/page-token.ts'
import { encodeToken } from '../../src/service/token.ts'
import { userService } from '../../src/service/user.ts'

const ada: DomainUser = {
  id: 1n,
  name: 'Ada',
  email: 'a@example.org',
  phone: '123',
  createdAt: new Date(1999),
}

/** The service over a use case that has `user` under every id, and two pages of nobody; other calls fail. */
function service(user = ada) {
  const updates: Partial<UserFields>[] = []
  const queries: UserQuery[] = []
  const conditions: (readonly string[] | undefined)[] = []
  const usecase: Partial<UserUsecase> = {
    create: async (fields) => ({ ...user, ...fields, id: 9n, name: `stored ${fields.name}` }),
    get: async (id) => ({ ...user, id }),
    async update(id, changes, _signal, tags) {
      updates.push(changes)
      conditions.push(tags)
      return { ...user, ...changes, id }
    },
    async list(query) {
      queries.push(query)
      return { users: [], total: 0, next: 'after' in query ? undefined : 2n ** 63n - 2n }
    },
    async delete(_id, _signal, tags) {
      conditions.push(tags)
    },
  }
  const transport = createRouterTransport(
    (router) => router.service(User, userService(usecase as UserUsecase)),
    {
      router: { interceptors: [errors] },
    },
  )
  return { client: createClient(User, transport), updates, queries, conditions }
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

test('the star masks all three fields, so that name and mail must be there', async (t) => {
  const { client, updates } = service()
  const updateMask = { paths: ['*'] }
  const masked = await fields(client.updateUser({ id: 1n, user: { phone: '1' }, updateMask }))
  t.strictSame(Object.keys(masked).sort(), ['user.email', 'user.name'])
  await client.updateUser({ id: 1n, user: { name: 'A', email: 'e', phone: '1' }, updateMask })
  t.strictSame(updates, [{ name: 'A', email: 'e', phone: '1' }])
})

test('a path is a field’s name as the proto spells it, and every other one is refused', async (t) => {
  const { client, updates } = service()
  const user = { name: 'A', email: 'e', phone: '1' }
  for (const path of ['', 'Name', 'user.name', 'name.x', 'created_at', '**', 'constructor']) {
    const { update_mask: rule } = await fields(
      client.updateUser({ id: 1n, user, updateMask: { paths: ['name', path] } }),
    )
    t.equal(rule, `has the unknown path "${path}"; allowed are *, name, email, phone`)
  }
  t.strictSame(updates, [])
})

test('a path that is there twice counts once', async (t) => {
  const { client, updates } = service()
  const paths = ['phone', 'phone', 'phone']
  await client.updateUser({ id: 1n, user: { phone: '1' }, updateMask: { paths } })
  t.strictSame(updates, [{ phone: '1' }])
})

function whole({ id, name, email, phone, createdAt }: GetUserReply) {
  return [id, name, email, phone, createdAt]
}

test('a reply has the whole user, with created_at in whole seconds', async (t) => {
  const { client } = service()
  t.strictSame(whole(await client.getUser({ id: 2n ** 63n - 1n })), [
    2n ** 63n - 1n,
    'Ada',
    'a@example.org',
    '123',
    1n,
  ])
  t.strictSame(whole(await client.updateUser({ id: 7n, user: { name: 'B' } })), [
    7n,
    'B',
    'a@example.org',
    '123',
    1n,
  ])
})

test('a time before 1970 is rounded down like any other', async (t) => {
  const { client } = service({ ...ada, createdAt: new Date(-1) })
  t.equal((await client.getUser({ id: 1n })).createdAt, -1n)
})

test('every reply with a user has its etag, in quotes', async (t) => {
  const { client } = service()
  const etag = `"${userTag({ ...ada, id: 5n })}"`
  t.equal((await client.getUser({ id: 5n })).etag, etag)
  const changed = await client.updateUser({ id: 5n, user: { name: 'B' } })
  t.equal(changed.etag, `"${userTag({ ...ada, id: 5n, name: 'B' })}"`)
  const fields = { name: 'B', email: 'b@example.org', phone: '1' }
  const { etag: created } = await client.createUser(fields)
  t.equal(created, `"${userTag({ ...ada, ...fields, id: 9n, name: 'stored B' })}"`)
})

test('the etags of a request are the tags that the use case is to compare', async (t) => {
  const { client, conditions } = service()
  const user = { name: 'B' }
  for (const etag of [undefined, '"a"', '"a", "b"', 'W/"a"']) {
    await client.updateUser({ id: 1n, user, ...(etag !== undefined && { etag }) })
    await client.deleteUser({ id: 1n, ...(etag !== undefined && { etag }) })
  }
  const expected = [undefined, ['a'], ['a', 'b'], ['/"a']]
  t.strictSame(
    conditions,
    expected.flatMap((tags) => [tags, tags]),
  )
  for (const etag of ['', 'a', '*', '"a" "b"']) {
    const rule = 'must be the etag of a reply with its quotes, or several split by commas'
    t.strictSame(await fields(client.updateUser({ id: 1n, user, etag })), { etag: rule })
    t.strictSame(await fields(client.deleteUser({ id: 1n, etag })), { etag: rule })
  }
  t.equal(conditions.length, 8)
})

test('a new user is answered as it was stored', async (t) => {
  const { client } = service()
  t.match(await client.createUser({ name: 'B', email: 'b@example.org', phone: '1' }), {
    id: 9n,
    name: 'stored B',
    email: 'b@example.org',
  })
})

test('a list is by page or after a token, never both', async (t) => {
  const { client, queries } = service()
  await client.listUsers({})
  await client.listUsers({ page: 3, pageSize: 7 })
  const first = await client.listUsers({ pageSize: 7 })
  const second = await client.listUsers({ pageToken: first.nextPageToken, pageSize: 5 })
  t.strictSame(queries, [
    { page: 1, size: 0 },
    { page: 3, size: 7 },
    { page: 1, size: 7 },
    { after: 2n ** 63n - 2n, size: 5 },
  ])
  t.equal(second.nextPageToken, '', 'the last page has no token')
  const both = { page: 1, pageToken: first.nextPageToken }
  t.match(await fields(client.listUsers(both)), { page_token: 'must not be given together' })
})

test('a token that is not of this list is refused as input, whatever it is', async (t) => {
  const { client, queries } = service()
  const { nextPageToken: token } = await client.listUsers({})
  const rule = 'must be a next_page_token of this list'
  for (const pageToken of [
    'djE6MA',
    'null',
    '-1',
    ' ',
    '%',
    '\n',
    '\u{1f600}',
    'A'.repeat(5000),
    `${token}=`,
    token.slice(1),
    token.slice(0, -1),
    token.toLowerCase(),
    encodePageToken('orders:0', 1n),
    encodeToken('v1:1'),
  ])
    t.strictSame(
      await fields(client.listUsers({ pageToken })),
      { page_token: rule },
      inspect(pageToken),
    )
  t.equal(queries.length, 1)
})
