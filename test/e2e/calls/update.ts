import {
  changeRule,
  idRule,
  mailRule,
  malformed,
  nameRule,
  noMailRule,
  notFound,
  notTextRule,
  phoneRule,
  refused,
  taken,
  textRule,
} from './outcomes.ts'
import {
  answers,
  before,
  createdAt,
  idOfNobody,
  json,
  newUser,
  onlyIn,
  type Row,
  updateRefused,
  updates,
} from './row.ts'

export const updateRows: Row[] = [
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
  updates('a phone that is present and empty is cleared', { user: { phone: '' } }, { phone: '' }),
  updateRefused('an update of no fields is refused', { user: {} }, { user: changeRule }),
  updateRefused('an update without fields is refused', {}, { user: changeRule }),
  updates(
    'JSON null for a field is no field',
    { user: { name: null, email: null, phone: '123' } },
    { phone: '123' },
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
