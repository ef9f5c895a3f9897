import { create } from '@bufbuild/protobuf'
import type { HandlerContext, ServiceImpl } from '@connectrpc/connect'
import {
  CreateUserRequestSchema,
  DeleteUserRequestSchema,
  type SyncUsersRequest,
  UpdateUserRequestSchema,
  type User,
} from '../gen/api/user/v1/user_pb.ts'
import type { Status } from '../gen/google/rpc/status_pb.ts'
import { invalidUserInput } from '../biz/user.ts'
import type { CheckMessage } from './check.ts'
import { invalid } from './user.ts'

/** What carries out the writes of a stream. */
export interface SyncParts {
  /** The unary methods, whose words and errors a write of the stream has, too. */
  unary: Pick<ServiceImpl<typeof User>, 'createUser' | 'updateUser' | 'deleteUser'>
  check: CheckMessage
  /** The error of a call as a message; what the client must not see goes to the log. */
  toStatus: (err: unknown) => Status
}

/** Carries out one write. Does not fail: the reply has the error. */
export async function syncReply(
  { requestId, change }: SyncUsersRequest,
  parts: SyncParts,
  context: HandlerContext,
) {
  try {
    return { requestId, id: await carriedOut(change, parts, context) }
  } catch (err) {
    return { requestId, error: parts.toStatus(err) }
  }
}

/** Gives the id of the user that was written. */
async function carriedOut(
  change: SyncUsersRequest['change'],
  { unary, check }: SyncParts,
  context: HandlerContext,
): Promise<bigint> {
  const checked: CheckMessage = (desc, message) => {
    const broken = check(desc, message)
    if (broken.length > 0) throw invalidUserInput(broken)
    return broken
  }
  switch (change.case) {
    case 'create': {
      const { name = '', email = '', phone = '' } = change.value
      const request = create(CreateUserRequestSchema, { name, email, phone })
      checked(CreateUserRequestSchema, request)
      return (await unary.createUser(request, context)).id ?? 0n
    }
    case 'update':
      checked(UpdateUserRequestSchema, change.value)
      await unary.updateUser(change.value, context)
      return change.value.id
    case 'delete': {
      const request = create(DeleteUserRequestSchema, { id: change.value })
      checked(DeleteUserRequestSchema, request)
      await unary.deleteUser(request, context)
      return request.id
    }
    case undefined:
      throw invalid('change', 'must be given')
  }
}
