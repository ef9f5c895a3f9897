import { idRule, notFound, refused } from './outcomes.ts'
import { answers, idOfNobody, newUser, type Row } from './row.ts'

export const idRows: Row[] = (['getUser', 'deleteUser'] as const).flatMap((method) => [
  answers(`${method} without an id is refused`, method, {}, refused({ id: idRule })),
  ...['0', '-1', '-9223372036854775808'].map((id) =>
    answers(`${method} of ${id} is refused`, method, { id }, refused({ id: idRule })),
  ),
  ...['9007199254740993', idOfNobody].map((id) =>
    answers(`${method} of ${id}, whom nobody is, is not found`, method, { id }, notFound(id)),
  ),
])

export const deleteRows: Row[] = [
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
