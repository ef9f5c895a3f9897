import { encodePageToken } from '../../src/service/page-token.ts'
import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { JsonObject, JsonValue } from '@bufbuild/protobuf'
import type { Test } from 'tap'
import { startApp, type Storage } from '../help/app.ts'
import { type Call, callers, type Outcome, type Protocol, protocols, type Text } from './callers.ts'
import { startIdsAt } from './ids.ts'
import type { Wire } from './wire.ts'

/** What a row is run with: a caller of one protocol, and a mail address that nobody has. */
interface At {
  call: Call
  mail: string
}

/** What a row saw and what it should have seen. */
interface Seen {
  got: unknown
  want: unknown
}

interface Row {
  title: string
  run: (at: At) => Promise<Seen>
  /** Where not all protocols can say it. */
  only?: readonly Protocol[]
}

type Fields = Record<string, JsonValue>
type Given = Fields | ((at: At) => Fields)

const createdAt = '1700000000'
const now = () => new Date(1_700_000_000_999)
const json: readonly Protocol[] = ['REST', 'Connect JSON']

const nameRule = 'must have 1 to 100 characters after trimming'
const mailRule = 'must be a valid email address'
const noMailRule = 'value is empty, which is not a valid email address'
const mailLengthRule = 'must be at most 254 characters'
const phoneRule = 'must be empty, or 3 to 32 characters of digits, space and + - ( ) .'
const textRule = 'must be Unicode text without U+0000 and without lone surrogates'
/** What is said of a string before any rule is asked. */
const notTextRule = 'must be Unicode text without lone surrogates'
const idRule = 'must be greater than 0'
const countRule = 'must be greater than or equal to 0'
const clearRule = 'cannot be cleared'
const changeRule = 'must have something to change: name, email, phone'
const tokenRule = 'must be a next_page_token of this service'
const togetherRule = 'must not be given together with page'
const pathRule = (path: string) =>
  `has the unknown path "${path}"; allowed are *, name, email, phone`

const idOfNobody = '9223372036854775807'

/** Ids from here on are odd half the time, and a number rounds those to even ones. */
const firstId = 2n ** 53n + 101n

function refused(fields: Text): Outcome {
  return { code: 'invalid_argument', reason: 'INVALID_USER_INPUT', metadata: fields, fields }
}

function malformed(metadata: Text): Outcome {
  return { code: 'invalid_argument', reason: 'MALFORMED_BODY', metadata, fields: {} }
}

function notFound(id: string): Outcome {
  return { code: 'not_found', reason: 'USER_NOT_FOUND', metadata: { user_id: id }, fields: {} }
}

function taken(email: string): Outcome {
  return { code: 'already_exists', reason: 'USER_ALREADY_EXISTS', metadata: { email }, fields: {} }
}

function messageOf(outcome: Outcome): JsonObject {
  if ('message' in outcome) return outcome.message as JsonObject
  throw new Error(`the call failed: ${JSON.stringify(outcome)}`)
}

function given(fields: Given, at: At): Fields {
  return typeof fields === 'function' ? fields(at) : fields
}

function idOf({ id }: JsonObject): string {
  if (typeof id === 'string') return id
  throw new Error('a 64-bit id is a string in JSON')
}

const before = { name: 'Before', phone: '030 1' }

/** Creates a user and gives its id. */
async function newUser({ call, mail }: At, fields: Fields = {}): Promise<string> {
  const request = { ...before, email: mail, ...fields }
  return idOf(messageOf(await call('createUser', request)))
}

/** A create that succeeds, and what a get then finds. */
function creates(title: string, sent: Given, stored: Given = sent): Row {
  return {
    title,
    async run(at) {
      const filled = { name: 'Ada', email: at.mail, phone: '' }
      const { id = null, ...reply } = messageOf(
        await at.call('createUser', { ...filled, ...given(sent, at) }),
      )
      const user = { ...filled, ...given(stored, at) }
      const { name, email } = user
      return {
        got: { reply, user: await at.call('getUser', { id }) },
        want: { reply: { name, email }, user: { message: { id, ...user, createdAt } } },
      }
    },
  }
}

function createRefused(title: string, sent: Given, rules: Text): Row {
  return {
    title,
    run: async (at) => ({
      got: await at.call('createUser', { name: 'Ada', email: at.mail, ...given(sent, at) }),
      want: refused(rules),
    }),
  }
}

function unreadable(title: string, sent: Fields, field: string): Row {
  return {
    title,
    run: async (at) => ({
      got: await at.call('createUser', { name: 'Ada', email: at.mail, ...sent }),
      want: malformed({ [field]: notTextRule }),
    }),
  }
}

/** An update that succeeds: its reply, and what a get then finds, is the whole user. */
function updates(title: string, sent: Given, changed: Given): Row {
  return {
    title,
    async run(at) {
      const id = await newUser(at)
      const want = { id, ...before, email: at.mail, createdAt, ...given(changed, at) }
      return {
        got: [
          await at.call('updateUser', { id, ...given(sent, at) }),
          await at.call('getUser', { id }),
        ],
        want: [{ message: want }, { message: want }],
      }
    },
  }
}

/** An update that is refused and leaves the user as it was. */
function updateRefused(title: string, sent: Given, rules: Text): Row {
  return {
    title,
    async run(at) {
      const id = await newUser(at)
      return {
        got: [
          await at.call('updateUser', { id, ...given(sent, at) }),
          await at.call('getUser', { id }),
        ],
        want: [refused(rules), { message: { id, ...before, email: at.mail, createdAt } }],
      }
    },
  }
}

function answers(
  title: string,
  method: Parameters<Call>[0],
  request: JsonObject,
  want: Outcome,
): Row {
  return { title, run: async ({ call }) => ({ got: await call(method, request), want }) }
}

function onlyIn(only: readonly Protocol[], ...rows: Row[]): Row[] {
  return rows.map((row) => ({ ...row, only }))
}

const whiteSpace =
  '\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000'

const keptNames = {
  'one letter': 'A',
  '100 letters': 'a'.repeat(100),
  '100 emoji, which are 200 UTF-16 units': '😀'.repeat(100),
  'spaces inside': 'Ada  King\tof\u00a0Lovelace',
  'a zero-width no-break space alone': '\ufeff',
  'a zero-width no-break space at both ends': '\ufeffAda\ufeff',
  'a zero-width space alone': '\u200b',
  'a Mongolian vowel separator alone': '\u180e',
  'a letter in composed form': 'Zo\u00eb',
  'a letter in decomposed form': 'Zoe\u0308',
  'letters from right to left': 'עדה \u202bلوفلايس\u202c',
  'a family joined by ZWJ': '👩‍👩‍👧‍👦',
  'a flag and a skin tone': '🏴󠁧󠁢󠁷󠁬󠁳󠁿👍🏽',
  'noncharacters, private use and the last code point': '\uffff\ue000\u{10ffff}',
  'a replacement character': '\ufffd',
  'control characters but U+0000': 'a\u0001\u001b\u007fb',
  'what SQL and JSON quote': `'; DROP TABLE users; -- \\ " % _ \u2028 $1`,
  'the word null': 'null',
}

const createRows: Row[] = [
  ...Object.entries(keptNames).map(([what, name]) =>
    creates(`a name of ${what} is stored unchanged`, { name }),
  ),
  creates(
    'space around a name is trimmed',
    { name: `${whiteSpace}Ada${whiteSpace}` },
    { name: 'Ada' },
  ),
  creates(
    'a name is counted after trimming',
    { name: ` ${'é'.repeat(100)} ` },
    { name: 'é'.repeat(100) },
  ),
  createRefused('a name of 101 letters is refused', { name: 'a'.repeat(101) }, { name: nameRule }),
  createRefused('a name of 101 emoji is refused', { name: '😀'.repeat(101) }, { name: nameRule }),
  createRefused('an empty name is refused', { name: '' }, { name: nameRule }),
  createRefused('a name of one space is refused', { name: ' ' }, { name: nameRule }),
  createRefused(
    'a name of every Unicode space is refused',
    { name: whiteSpace },
    { name: nameRule },
  ),
  createRefused('a name with U+0000 is refused', { name: 'A\0da' }, { name: textRule }),
  ...onlyIn(
    json,
    unreadable('a name with a lone high surrogate is refused', { name: 'A\ud83d' }, 'name'),
    unreadable('a name with a lone low surrogate is refused', { name: '\ude00A' }, 'name'),
    unreadable('a mail address with a lone surrogate is refused', { email: '\ud800@x.y' }, 'email'),
    unreadable('a phone with a lone surrogate is refused', { phone: '123\udfff' }, 'phone'),
  ),
  createRefused('JSON null for a name is no name', { name: null }, { name: nameRule }),
  creates('JSON null for a phone is no phone', { phone: null }, { phone: '' }),
]

const keptMails: Record<string, (unique: string) => string> = {
  'a domain without a dot': (unique) => `${unique}@localhost`,
  'every sign that HTML allows': (unique) => `.!#$%&'*+/=?^_\`{|}~-${unique}@example.com`,
  'dots in a row and at the end': (unique) => `${unique}..a.@example.com`,
  'a label of 63 characters': (unique) => `${unique}@${'a'.repeat(63)}.com`,
  'digits and hyphens': (unique) => `${unique}@1-2--3.4`,
  '254 characters': (unique) => `${unique.padEnd(242, 'x')}@example.com`,
}

const badMails: Record<string, string> = {
  'no at sign': 'ada',
  'nothing before the at sign': '@example.com',
  'nothing after the at sign': 'ada@',
  'two at signs': 'ada@b@example.com',
  'a space inside': 'ada lovelace@example.com',
  'a space before': ' ada@example.com',
  'a space behind': 'ada@example.com ',
  'a line feed behind': 'ada@example.com\n',
  'a label that begins with a hyphen': 'ada@-example.com',
  'a label that ends with a hyphen': 'ada@example-.com',
  'an empty label': 'ada@example..com',
  'a dot at the end': 'ada@example.com.',
  'a dot at the beginning of the domain': 'ada@.example.com',
  'an underscore in the domain': 'ada@ex_ample.com',
  'a label of 64 characters': `ada@${'a'.repeat(64)}.com`,
  'a letter beyond ASCII before the at sign': 'ädä@example.com',
  'a letter beyond ASCII after it': 'ada@exämple.com',
  'the Kelvin sign': 'ada@\u212aelvin.com',
  'a quoted local part': '"ada"@example.com',
  'an address literal': 'ada@[127.0.0.1]',
  'a display name': 'Ada <ada@example.com>',
  'a comma': 'ada,bob@example.com',
}

const mailRows: Row[] = [
  ...Object.entries(keptMails).map(([what, mail]) => {
    const email = ({ mail: unique }: At) => ({ email: mail(unique.split('@', 1)[0] ?? '') })
    return creates(`a mail address with ${what} is stored`, email)
  }),
  creates(
    'a mail address is stored in lower case',
    ({ mail }) => ({ email: mail.toUpperCase() }),
    ({ mail }) => ({ email: mail }),
  ),
  ...Object.entries(badMails).map(([what, email]) =>
    createRefused(`a mail address with ${what} is refused`, { email }, { email: mailRule }),
  ),
  createRefused('an empty mail address is refused', { email: '' }, { email: noMailRule }),
  createRefused(
    'a mail address of 255 characters is refused',
    { email: `${'x'.repeat(243)}@example.com` },
    { email: mailLengthRule },
  ),
  createRefused(
    'a mail address that breaks two rules has both',
    { email: 'x'.repeat(255) },
    { email: `${mailLengthRule}; ${mailRule}` },
  ),
  createRefused(
    'a mail address with U+0000 is refused',
    { email: 'a\0@example.com' },
    { email: `${textRule}; ${mailRule}` },
  ),
  {
    title: 'a mail address that exists is refused',
    async run(at) {
      await newUser(at)
      return {
        got: await at.call('createUser', { name: 'B', email: at.mail }),
        want: taken(at.mail),
      }
    },
  },
  {
    title: 'a mail address that exists in another case is refused',
    async run(at) {
      await newUser(at, { email: at.mail.toUpperCase() })
      return {
        got: await at.call('createUser', { name: 'B', email: at.mail.replace('e', 'E') }),
        want: taken(at.mail),
      }
    },
  },
  {
    title: 'a mail address is free again once its user is deleted',
    async run(at) {
      const id = await newUser(at)
      await at.call('deleteUser', { id })
      const { name } = messageOf(await at.call('createUser', { name: 'B', email: at.mail }))
      return { got: name, want: 'B' }
    },
  },
]

const phoneRows: Row[] = [
  ...['', '123', '+49 (0)30-123.45', '   ', '0'.repeat(32), '+-().'].map((phone) =>
    creates(`the phone ${JSON.stringify(phone)} is stored`, { phone }),
  ),
  ...[
    '1',
    '12',
    '0'.repeat(33),
    'abc',
    '123x',
    '123\n',
    '\t123',
    '١٢٣',
    '１２３',
    '123/4',
    '😀😀😀',
  ].map((phone) =>
    createRefused(`the phone ${JSON.stringify(phone)} is refused`, { phone }, { phone: phoneRule }),
  ),
  createRefused(
    'a phone with U+0000 is refused by both rules',
    { phone: '123\0' },
    { phone: `${textRule}; ${phoneRule}` },
  ),
  createRefused(
    'all offending fields are named at once',
    { name: '', email: 'ada', phone: 'x' },
    { name: nameRule, email: mailRule, phone: phoneRule },
  ),
  answers(
    'an empty create is refused',
    'createUser',
    {},
    refused({ name: nameRule, email: noMailRule }),
  ),
]

const idRows: Row[] = (['getUser', 'deleteUser'] as const).flatMap((method) => [
  answers(`${method} without an id is refused`, method, {}, refused({ id: idRule })),
  ...['0', '-1', '-9223372036854775808'].map((id) =>
    answers(`${method} of ${id} is refused`, method, { id }, refused({ id: idRule })),
  ),
  ...['9007199254740993', idOfNobody].map((id) =>
    answers(`${method} of ${id}, whom nobody is, is not found`, method, { id }, notFound(id)),
  ),
])

const deleteRows: Row[] = [
  {
    title: 'a deleted user is gone for get, update and another delete',
    async run(at) {
      const id = await newUser(at)
      const got = [
        await at.call('deleteUser', { id }),
        await at.call('getUser', { id }),
        await at.call('updateUser', { id, user: { name: 'B' } }),
        await at.call('deleteUser', { id }),
      ]
      return { got, want: [{ message: {} }, notFound(id), notFound(id), notFound(id)] }
    },
  },
]

const updateRows: Row[] = [
  updates(
    'an update without a mask changes what is present',
    { user: { name: 'B' } },
    { name: 'B' },
  ),
  updates(
    'an update without a mask may change everything',
    ({ mail }) => ({ user: { name: ' B ', email: `X${mail}`, phone: '123' } }),
    ({ mail }) => ({ name: 'B', email: `x${mail}`, phone: '123' }),
  ),
  updates('an empty mask is no mask', { user: { phone: '123' }, updateMask: '' }, { phone: '123' }),
  updates('a phone that is present and empty is cleared', { user: { phone: '' } }, { phone: '' }),
  updates(
    'the mask * changes all three',
    ({ mail }) => ({ user: { name: 'B', email: `b${mail}`, phone: '123' }, updateMask: '*' }),
    ({ mail }) => ({ name: 'B', email: `b${mail}`, phone: '123' }),
  ),
  updates(
    'the mask * without a phone clears it',
    ({ mail }) => ({ user: { name: 'B', email: mail }, updateMask: '*' }),
    { name: 'B', phone: '' },
  ),
  updateRefused(
    'the mask * without name and mail is refused',
    { user: { phone: '123' }, updateMask: '*' },
    { 'user.name': clearRule, 'user.email': clearRule },
  ),
  updates(
    'the mask * beside a path is *',
    ({ mail }) => ({ user: { name: 'B', email: mail }, updateMask: 'name,*' }),
    { name: 'B', phone: '' },
  ),
  updates(
    'the mask name changes the name alone',
    ({ mail }) => ({ user: { name: 'B', email: `b${mail}`, phone: '123' }, updateMask: 'name' }),
    { name: 'B' },
  ),
  updates(
    'the mask email changes the mail address alone',
    ({ mail }) => ({ user: { name: 'B', email: `b${mail}`, phone: '123' }, updateMask: 'email' }),
    ({ mail }) => ({ email: `b${mail}` }),
  ),
  updates(
    'the mask phone changes the phone alone',
    ({ mail }) => ({ user: { name: 'B', email: `b${mail}`, phone: '123' }, updateMask: 'phone' }),
    { phone: '123' },
  ),
  updates(
    'two paths change two fields',
    { user: { name: 'B', phone: '123' }, updateMask: 'phone,name' },
    { name: 'B', phone: '123' },
  ),
  updates(
    'a path that is given twice counts once',
    { user: { name: 'B' }, updateMask: 'name,name' },
    { name: 'B' },
  ),
  updates(
    'a masked phone without a value is cleared',
    { user: {}, updateMask: 'phone' },
    { phone: '' },
  ),
  updates('a masked phone without any fields is cleared', { updateMask: 'phone' }, { phone: '' }),
  updateRefused(
    'a masked name without a value is refused',
    { user: { phone: '123' }, updateMask: 'name,phone' },
    { 'user.name': clearRule },
  ),
  updateRefused(
    'a masked mail address without a value is refused',
    { user: {}, updateMask: 'email' },
    { 'user.email': clearRule },
  ),
  updateRefused(
    'an unknown path is refused',
    { user: { name: 'B' }, updateMask: 'name,nickname' },
    { update_mask: pathRule('nickname') },
  ),
  updateRefused(
    'a path of the request instead of the fields is refused',
    { user: { name: 'B' }, updateMask: 'user.name' },
    { update_mask: pathRule('user.name') },
  ),
  updateRefused(
    'a path that no client decides is refused',
    { user: { name: 'B' }, updateMask: 'createdAt' },
    { update_mask: pathRule('created_at') },
  ),
  updateRefused(
    'unknown paths and fields that cannot be cleared are named at once',
    { updateMask: 'id,name,nickname' },
    { update_mask: `${pathRule('id')}; ${pathRule('nickname')}`, 'user.name': clearRule },
  ),
  updateRefused('an update of no fields is refused', { user: {} }, { user: changeRule }),
  updateRefused('an update without fields is refused', {}, { user: changeRule }),
  updates(
    'JSON null for a field is no field',
    { user: { name: null, email: null, phone: '123' } },
    { phone: '123' },
  ),
  updates(
    'JSON null for a masked phone clears it',
    { user: { phone: null }, updateMask: 'phone' },
    { phone: '' },
  ),
  updates(
    'JSON null for the mask is no mask',
    { user: { name: 'B' }, updateMask: null },
    { name: 'B' },
  ),
  updateRefused(
    'JSON null for every field changes nothing',
    { user: { name: null } },
    { user: changeRule },
  ),
  updateRefused('JSON null for the fields changes nothing', { user: null }, { user: changeRule }),
  updateRefused(
    'an update to an empty name is refused',
    { user: { name: '' } },
    { 'user.name': nameRule },
  ),
  updateRefused(
    'an update to an empty mail address is refused',
    { user: { email: '' } },
    { 'user.email': noMailRule },
  ),
  updateRefused(
    'an update names all offending fields at once',
    { user: { name: ' ', email: 'x', phone: 'x' } },
    { 'user.name': nameRule, 'user.email': mailRule, 'user.phone': phoneRule },
  ),
  updateRefused(
    'an update with U+0000 is refused',
    { user: { name: '\0' } },
    { 'user.name': textRule },
  ),
  ...onlyIn(json, {
    title: 'an update with a lone surrogate is refused',
    async run(at) {
      const user = { name: 'x\udc00' }
      return {
        got: await at.call('updateUser', { id: await newUser(at), user }),
        want: malformed({ 'user.name': notTextRule }),
      }
    },
  }),
  updates(
    'an update to the same values is no failure',
    ({ mail }) => ({ user: { ...before, email: mail } }),
    {},
  ),
  updates(
    'an update to the own mail address in another case is no failure',
    ({ mail }) => ({ user: { email: mail.toUpperCase() } }),
    {},
  ),
  updates(
    'an update keeps Unicode unchanged',
    { user: { name: 'Zoe\u0308 👩‍🚀' } },
    { name: 'Zoe\u0308 👩‍🚀' },
  ),
  {
    title: 'an update to the mail address of another user is refused and changes nothing',
    async run(at) {
      await newUser(at, { email: `other-${at.mail}` })
      const id = await newUser(at)
      const user = { name: 'B', email: `OTHER-${at.mail}` }
      return {
        got: [await at.call('updateUser', { id, user }), await at.call('getUser', { id })],
        want: [
          taken(`other-${at.mail}`),
          { message: { id, ...before, email: at.mail, createdAt } },
        ],
      }
    },
  },
  answers(
    'an update of nobody is not found',
    'updateUser',
    { id: idOfNobody, user: { name: 'B' } },
    notFound(idOfNobody),
  ),
  answers(
    'an update of an id of 0 and a bad name has both at once',
    'updateUser',
    { id: '0', user: { name: '' } },
    refused({ id: idRule, 'user.name': nameRule }),
  ),
  answers(
    'an update of a negative id is refused',
    'updateUser',
    { id: '-1', user: { name: 'B' } },
    refused({ id: idRule }),
  ),
]

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
const seeded = 101

const listRows: Row[] = [
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
    base64('v1:20'),
    base64('v1:0:0'),
    base64('v1:9223372036854775808:0'),
    encodePageToken(20n).slice(0, -2),
    `${encodePageToken(20n)}=`,
    base64('v2:20'),
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
      const pageToken = encodePageToken(BigInt(first))
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
      const { users } = await list(at, { pageToken: encodePageToken(BigInt(first)) })
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

export const rows: readonly Row[] = [
  ...createRows,
  ...mailRows,
  ...phoneRows,
  ...idRows,
  ...deleteRows,
  ...updateRows,
  ...listRows,
]

function at(call: Call): At {
  return { call: withoutEtags(call), mail: `e${randomUUID()}@example.com` }
}

/** Etags are looked at in conditional-writes.ts. */
function withoutEtags(call: Call): Call {
  return async function without(method, request) {
    const outcome = await call(method, request)
    if ('code' in outcome) return outcome
    const text = JSON.stringify(outcome.message, (key, value: JsonValue) =>
      key === 'etag' ? undefined : value,
    )
    return { message: JSON.parse(text) as JsonValue }
  }
}

interface RunOptions {
  storage: Storage
  /** Settings of the service, and what carries the calls; plain HTTP/1.1 unless given. */
  env?: Record<string, string>
  wire?: Wire
}

/** Runs each row over each protocol that can say it. */
export async function runCalls(t: Test, { storage, env = {}, wire }: RunOptions): Promise<void> {
  const app = await startApp(t, { storage, now, env })
  await startIdsAt(firstId, storage, app.database)
  const calls = callers(app, wire)
  for (let user = 0; user < seeded; user += 1) await newUser(at(calls.REST))
  for (const { title, run, only = protocols } of rows) {
    await t.test(title, async (t) => {
      for (const protocol of only) {
        const { got, want } = await run(at(calls[protocol]))
        // A diff only where it is needed: tap formats both sides of each strictSame.
        if (isDeepStrictEqual(got, want)) t.pass(protocol)
        else t.strictSame(got, want, protocol)
      }
    })
  }
}
