import { clearRule, pathRule } from './outcomes.ts'
import { type Row, updateRefused, updates } from './row.ts'

export const maskRows: Row[] = [
  updates('an empty mask is no mask', { user: { phone: '123' }, updateMask: '' }, { phone: '123' }),
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
]
