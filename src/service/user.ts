import type { ServiceImpl } from '@connectrpc/connect'
import type {
  DeleteUserRequest,
  GetUserReply,
  ListUsersRequest,
  UpdateUserRequest,
  User,
} from '../gen/api/user/v1/user_pb.ts'
import { GetUserReplySchema } from '../gen/api/user/v1/user_pb.ts'
import { create } from '@bufbuild/protobuf'
import { entityTags } from '../text/entity-tags.ts'
import { type FieldViolation, maxNamed } from '../biz/error.ts'
import {
  clearedField,
  invalidUserInput,
  type User as DomainUser,
  type UserFields,
  type UserQuery,
  userTag,
  type UserUsecase,
} from '../biz/user.ts'
import { decodePageToken, encodePageToken } from './page-token.ts'

/** The unary methods of api.user.v1.User. */
type UnaryMethods = Omit<
  ServiceImpl<typeof User>,
  'watchUsers' | 'exportUsers' | 'importUsers' | 'syncUsers'
>

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
        nextPageToken: next === undefined ? '' : encodePageToken(next),
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
  const after = decodePageToken(pageToken)
  if (after === undefined) throw invalid('page_token', 'must be a next_page_token of this service')
  return { after, size: pageSize }
}

const fieldNames = Object.keys(clearedField) as (keyof UserFields)[]

/** The new values of the fields that change, by fields and mask as described in user.proto. */
function toChanges({ user, updateMask }: UpdateUserRequest): Partial<UserFields> {
  const mask = updateMask?.paths ?? []
  const masked = mask.includes('*') ? fieldNames : fieldNames.filter((name) => mask.includes(name))
  const given = fieldNames.filter((name) => user?.[name] !== undefined)
  const changes: Partial<UserFields> = {}
  const { violations, further } = unknownPaths(mask)
  for (const name of mask.length === 0 ? given : masked) {
    const value = user?.[name] ?? clearedField[name]
    if (value === undefined) violations.push({ field: `user.${name}`, rule: 'cannot be cleared' })
    else changes[name] = value
  }
  if (violations.length > 0) throw invalidUserInput(violations, further)
  if (Object.keys(changes).length === 0)
    throw invalid('user', `must have something to change: ${fieldNames.join(', ')}`)
  return changes
}

/**
 * The unknown paths of a mask as violations, at most `maxNamed + 1`, and the number of further
 * ones.
 */
function unknownPaths(mask: readonly string[]): { violations: FieldViolation[]; further: number } {
  const known = new Set<string>(['*', ...fieldNames])
  const unknown = mask.filter((path) => !known.has(path))
  const violations = unknown.slice(0, maxNamed + 1).map((path) => ({
    field: 'update_mask',
    rule: `has the unknown path "${excerpt(path)}"; allowed are ${[...known].join(', ')}`,
  }))
  return { violations, further: unknown.length - violations.length }
}

// Longer than any path of a user, and short enough that the rule after it is seen.
const excerptLength = 64

/** The beginning of a text from the client, cut between code points. */
function excerpt(text: string): string {
  if (text.length <= excerptLength) return text
  return `${Array.from(text.slice(0, excerptLength + 1))
    .slice(0, excerptLength)
    .join('')}…`
}

/** The error of a request with one invalid field. */
export function invalid(field: string, rule: string) {
  return invalidUserInput([{ field, rule }])
}
