import type { ServiceImpl } from '@connectrpc/connect'
import type {
  DeleteUserRequest,
  GetUserReply,
  ListUsersRequest,
  UpdateUserRequest,
  User,
} from '../gen/api/user/v1/user_pb.ts'
import { GetUserReplySchema, UserFieldsSchema } from '../gen/api/user/v1/user_pb.ts'
import { create } from '@bufbuild/protobuf'
import { entityTags } from '../text/entity-tags.ts'
import {
  invalidUserInput,
  type User as DomainUser,
  type UserFields,
  type UserQuery,
  userTag,
  type UserUsecase,
} from '../biz/user.ts'
import { decodePageToken, encodePageToken } from './page-token.ts'
import { changesOf } from './update-mask.ts'

/** The unary methods of api.user.v1.User. */
type UnaryMethods = Omit<
  ServiceImpl<typeof User>,
  'watchUsers' | 'exportUsers' | 'importUsers' | 'syncUsers'
>

/** What tokens of ListUsers call their list, which has no filter. */
const listName = 'users'

/**
 * Serves the unary methods of api.user.v1.User: converts messages to calls of the use case, and
 * results to messages.
 */
export function userService(users: UserUsecase): UnaryMethods {
  return {
    async createUser({ name, email, phone }, { signal }) {
      const user = await users.create({ name, email, phone }, signal)
      return { id: user.id, name: user.name, email: user.email, etag: etagOf(user) }
    },
    async getUser({ id }, { signal }) {
      return toReply(await users.get(id, signal))
    },
    async listUsers(request, { signal }) {
      const { users: page, total, next } = await users.list(toQuery(request), signal)
      return {
        users: page.map(toReply),
        total,
        nextPageToken: next === undefined ? '' : encodePageToken(listName, next),
      }
    },
    async updateUser(request, { signal }) {
      const changes = toChanges(request)
      return toReply(await users.update(request.id, changes, signal, toTags(request)))
    },
    async deleteUser(request, { signal }) {
      await users.delete(request.id, signal, toTags(request))
      return {}
    },
  }
}

/** A user as a message. */
export function toReply(user: DomainUser): GetUserReply {
  const { id, name, email, phone } = user
  const createdAt = BigInt(Math.floor(user.createdAt.getTime() / 1000))
  return create(GetUserReplySchema, { id, name, email, phone, createdAt, etag: etagOf(user) })
}

/** The tag of a user's state as a strong entity tag of HTTP. */
function etagOf(user: DomainUser): string {
  return `"${userTag(user)}"`
}

/** The tags that the request allows the user to have; undefined if every state is allowed. */
function toTags({ etag }: UpdateUserRequest | DeleteUserRequest): string[] | undefined {
  if (etag === undefined) return undefined
  const given = entityTags(etag)
  if (given === undefined)
    throw invalid('etag', 'must be the etag of a reply with its quotes, or several split by commas')
  // A weak tag keeps its `W/` and a quote, so it equals no tag of a user.
  return given.map((tag) => tag.slice(1, -1))
}

function toQuery({ page, pageSize, pageToken }: ListUsersRequest): UserQuery {
  if (pageToken === '') return { page: page || 1, size: pageSize }
  if (page !== 0) throw invalid('page_token', 'must not be given together with page')
  const after = decodePageToken(listName, pageToken)
  if (after === undefined) throw invalid('page_token', 'must be a next_page_token of this list')
  return { after, size: pageSize }
}

/** The new values of the fields that change, by fields and mask as described in user.proto. */
function toChanges({ user, updateMask }: UpdateUserRequest): Partial<UserFields> {
  return changesOf<UserFields>({
    at: 'user',
    desc: UserFieldsSchema,
    message: user,
    mask: updateMask,
    values: { name: user?.name, email: user?.email, phone: user?.phone ?? '' },
    invalid: invalidUserInput,
  })
}

/** The error of a request with one invalid field. */
export function invalid(field: string, rule: string) {
  return invalidUserInput([{ field, rule }])
}
