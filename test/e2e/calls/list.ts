import type { JsonObject } from '@bufbuild/protobuf'
import { encodePageToken } from '../../../src/service/page-token.ts'
import { encodeToken } from '../../../src/service/token.ts'
import { countRule, refused, togetherRule, tokenRule } from './outcomes.ts'
import { answers, type At, createdAt, messageOf, newUser, type Row } from './row.ts'

interface Page {
  users: { id: string }[]
  total: number
  nextPageToken: string
}

async function list({ call }: At, request: JsonObject): Promise<Page> {
  return messageOf(await call('listUsers', request)) as unknown as Page
}

function lists(title: string, request: JsonObject, want: { count: number; more: boolean }): Row {
  return {
    title,
    async run(at) {
      const { users, total, nextPageToken } = await list(at, request)
      const ids = users.map(({ id }) => BigInt(id))
      return {
        got: {
          count: users.length,
          more: nextPageToken !== '',
          ascending: ids.every((id, index) => index === 0 || id > (ids[index - 1] ?? id)),
          all: total >= seeded,
        },
        want: { ...want, ascending: true, all: true },
      }
    },
  }
}

/** Users that are there before the first row, more than one page may have. */
export const seeded = 101

export const listRows: Row[] = [
  lists('an empty list request gives the first 20', {}, { count: 20, more: true }),
  lists('page 0 of size 0 is the default', { page: 0, pageSize: 0 }, { count: 20, more: true }),
  lists(
    'page and size of null are the default',
    { page: null, pageSize: null },
    { count: 20, more: true },
  ),
  lists(
    'a page has as many users as were asked for',
    { page: 2, pageSize: 7 },
    { count: 7, more: true },
  ),
  lists('a page of 100 is served', { pageSize: 100 }, { count: 100, more: true }),
  lists('a page of 101 is served as 100', { pageSize: 101 }, { count: 100, more: true }),
  lists('a page of 2^31-1 is served as 100', { pageSize: 2147483647 }, { count: 100, more: true }),
  lists('a page far behind the end is empty', { page: 2147483647 }, { count: 0, more: false }),
  lists(
    'the largest page of the largest size is empty',
    { page: 2147483647, pageSize: 2147483647 },
    { count: 0, more: false },
  ),
  answers('a negative page is refused', 'listUsers', { page: -1 }, refused({ page: countRule })),
  answers(
    'a negative size is refused',
    'listUsers',
    { pageSize: -1 },
    refused({ page_size: countRule }),
  ),
  answers(
    'a negative page and a negative size are named at once',
    'listUsers',
    { page: -2147483648, pageSize: -2147483648 },
    refused({ page: countRule, page_size: countRule }),
  ),
  ...[
    'x',
    'v1:20',
    base64('v2:users:20'),
    base64('v2:users:0:0'),
    base64('v2:users:9223372036854775808:0'),
    encodePageToken('users', 20n).slice(0, -2),
    `${encodePageToken('users', 20n)}=`,
    encodePageToken('orders:0', 20n),
    encodeToken('v1:20'),
    base64('v3:users:20'),
    ' ',
    '😀',
  ].map((pageToken) =>
    answers(
      `the page token ${JSON.stringify(pageToken)} is refused`,
      'listUsers',
      { pageToken },
      refused({ page_token: tokenRule }),
    ),
  ),
  {
    title: 'a page token together with a page is refused',
    async run(at) {
      const { nextPageToken: pageToken } = await list(at, {})
      return {
        got: await at.call('listUsers', { page: 1, pageToken }),
        want: refused({ page_token: togetherRule }),
      }
    },
  },
  {
    title: 'a page token is followed to the end, which has none',
    async run(at) {
      const mine = [
        await newUser(at),
        await newUser(at, { email: `2${at.mail}` }),
        await newUser(at, { email: `3${at.mail}` }),
      ]
      const ids: string[] = []
      let page = await list(at, { pageSize: 9 })
      const { total } = page
      ids.push(...page.users.map(({ id }) => id))
      while (page.nextPageToken !== '') {
        page = await list(at, { pageSize: 9, pageToken: page.nextPageToken })
        ids.push(...page.users.map(({ id }) => id))
      }
      return {
        got: { last: ids.slice(-3), count: ids.length, distinct: new Set(ids).size },
        want: { last: mine, count: total, distinct: total },
      }
    },
  },
  {
    title: 'a page token leads on although the user it came from is deleted',
    async run(at) {
      const first = await newUser(at)
      const second = await newUser(at, { email: `2${at.mail}` })
      const pageToken = encodePageToken('users', BigInt(first))
      await at.call('deleteUser', { id: first })
      const { users } = await list(at, { pageToken })
      return { got: users.map(({ id }) => id), want: [second] }
    },
  },
  {
    title: 'a list gives each user whole',
    async run(at) {
      const first = await newUser(at)
      const id = await newUser(at, { email: `2${at.mail}`, name: '👩‍🚀', phone: '123' })
      const { users } = await list(at, { pageToken: encodePageToken('users', BigInt(first)) })
      return {
        got: users,
        want: [{ id, name: '👩‍🚀', email: `2${at.mail}`, phone: '123', createdAt }],
      }
    },
  },
]

function base64(text: string): string {
  return Buffer.from(text).toString('base64url')
}
