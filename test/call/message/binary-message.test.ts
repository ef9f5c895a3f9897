import { create, toBinary } from '@bufbuild/protobuf'
import { FieldMaskSchema, StructSchema, ListValueSchema } from '@bufbuild/protobuf/wkt'
import { test } from 'tap'
import { messageFromBinary } from '../../../src/call/message/binary-message.ts'
import {
  CreateUserRequestSchema,
  DeleteUserRequestSchema,
  ListUsersReplySchema,
  UpdateUserRequestSchema,
} from '../../../src/gen/api/user/v1/user_pb.ts'

test('a field of another wire type is refused and not read as its own', (t) => {
  const read = (bytes: number[], desc: Parameters<typeof messageFromBinary>[0]) => () =>
    messageFromBinary(desc, Uint8Array.from(bytes))
  const malformed = { message: /no api.user.v1.\w+ in protobuf's binary form/ }
  t.throws(read([0x0a, 3], DeleteUserRequestSchema), malformed, 'a length')
  t.throws(read([0x0a, 3, 0x52, 1, 0x78], DeleteUserRequestSchema), malformed, 'a text')
  t.throws(read([0x0b, 3], DeleteUserRequestSchema), malformed, 'a group')
  t.throws(read([0x08, 3], CreateUserRequestSchema), malformed, 'a number')
  t.throws(read([8, 1, 0x12, 2, 0x08, 1], UpdateUserRequestSchema), malformed, 'inside a message')
  t.throws(read([8, 1, 0x1a, 2, 0x08, 1], UpdateUserRequestSchema), malformed, 'inside a mask')
  t.throws(read([0x0a, 5, 8], ListUsersReplySchema), malformed, 'an end that is too early')
  t.end()
})

test('a message of the wire types of its fields is read, with fields that are not known', (t) => {
  const update = create(UpdateUserRequestSchema, {
    id: 7n,
    user: { name: 'Ada' },
    updateMask: create(FieldMaskSchema, { paths: ['name', 'phone'] }),
  })
  const unknown = [0x78, 1, 0x7a, 1, 0x41, 0x7b, 0x7c]
  const bytes = Uint8Array.from([...toBinary(UpdateUserRequestSchema, update), ...unknown])
  t.match(messageFromBinary(UpdateUserRequestSchema, bytes), {
    id: 7n,
    user: { name: 'Ada' },
    updateMask: { paths: ['name', 'phone'] },
  })
  let values = create(ListValueSchema)
  for (let level = 0; level < 30; level += 1)
    values = create(ListValueSchema, { values: [{ kind: { case: 'listValue', value: values } }] })
  const deep = create(StructSchema, {
    fields: { a: { kind: { case: 'listValue', value: values } } },
  })
  t.strictSame(messageFromBinary(StructSchema, toBinary(StructSchema, deep)), deep)
  t.end()
})
