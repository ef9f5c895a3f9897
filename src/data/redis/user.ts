import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import type { User } from '../../biz/user.ts'
import { CachedUserSchema } from '../../gen/cache/v1/user_pb.ts'
import type { CachedKind } from './values.ts'

/** Users in Redis. */
export const cachedUsers: CachedKind<User> = {
  name: 'User',
  prefix: 'user:v1:',
  encode({ createdAt, ...fields }) {
    const createdAtMs = BigInt(createdAt.getTime())
    return toBinary(CachedUserSchema, create(CachedUserSchema, { ...fields, createdAtMs }))
  },
  decode(bytes) {
    const { id, name, email, phone, createdAtMs } = fromBinary(CachedUserSchema, bytes)
    // Of other bytes that can be read as this message, hardly any have these.
    if (id <= 0n || email === '') throw new Error('no user')
    return { id, name, email, phone, createdAt: new Date(Number(createdAtMs)) }
  },
}
