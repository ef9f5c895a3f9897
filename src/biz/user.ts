import { hash } from 'node:crypto'
import type { ErrorReason } from '../gen/api/errors/v1/error_reason_pb.ts'
import { DomainError, type FieldViolation, invalidInput, type ReasonOf } from './error.ts'

type Reason = ReasonOf<typeof ErrorReason>

export interface User {
  id: bigint
  name: string
  email: string
  phone: string
  createdAt: Date
}

/** The fields that a user's client decides. */
export interface UserFields {
  name: string
  email: string
  phone: string
}

export type NewUser = UserFields & { createdAt: Date }

/** Looks at a user as a write will find it, and throws to forbid the write. */
export type UserCheck = (user: User) => void

/** What a list reads: the users after an id, or a window counted in rows from the start. */
type UserWindow = { after: bigint; limit: number } | { offset: number; limit: number }

/**
 * Storage of users. Every call fails with DATABASE_UNAVAILABLE when the database cannot be used, and
 * with the signal's reason when it aborts first; a write may have happened all the same.
 */
export interface UserRepo {
  /** Stores a user and gives its id. Fails with USER_ALREADY_EXISTS when the mail address is taken. */
  insert(user: NewUser, signal: AbortSignal): Promise<bigint>
  find(id: bigint, signal: AbortSignal): Promise<User | undefined>
  /** Users by ascending id. */
  list(window: UserWindow, signal: AbortSignal): Promise<User[]>
  /** Exact while the table is small, else some seconds old at most. */
  count(signal: AbortSignal): Promise<number>
  /**
   * Changes the given fields and gives the user as this change left it; undefined when there is none.
   * Nothing changes the user between `check` and the change, and what `check` throws is thrown.
   */
  update(
    id: bigint,
    changes: Partial<UserFields>,
    signal: AbortSignal,
    check?: UserCheck,
  ): Promise<User | undefined>
  /** Gives whether there was such a user. `check` as in an update. */
  delete(id: bigint, signal: AbortSignal, check?: UserCheck): Promise<boolean>
}

/** What to list: the users after an id (keyset), or a page counted from 1. `size` 0 means the default. */
export type UserQuery = { size: number } & ({ after: bigint } | { page: number })

export interface UserPage {
  users: User[]
  total: number
  /** The id after which the next page starts; undefined on the last page. */
  next: bigint | undefined
}

/** What a field becomes when an update clears it; undefined where clearing is not allowed. */
export const clearedField: Record<keyof UserFields, string | undefined> = {
  name: undefined,
  email: undefined,
  phone: '',
}

const defaultPageSize = 20
const maxPageSize = 100

export type UserUsecase = ReturnType<typeof userUsecase>

/** The rules of users. `now` gives the time of creation. Fields arrive valid by the rules in user.proto. */
export function userUsecase(repo: UserRepo, now: () => Date) {
  return {
    /** Fails with USER_ALREADY_EXISTS. */
    async create(fields: UserFields, signal: AbortSignal): Promise<User> {
      const user = { ...fields, ...normalized(fields), createdAt: now() }
      return { id: await repo.insert(user, signal), ...user }
    },

    /** Fails with USER_NOT_FOUND. */
    async get(id: bigint, signal: AbortSignal): Promise<User> {
      return (await repo.find(id, signal)) ?? notFound(id)
    },

    /** Reads one row more than the page, so that the last page is known without a second query. */
    async list(query: UserQuery, signal: AbortSignal): Promise<UserPage> {
      const size = Math.min(query.size || defaultPageSize, maxPageSize)
      const limit = size + 1
      const window =
        'after' in query
          ? { after: query.after, limit }
          : { offset: (query.page - 1) * size, limit }
      const [rows, total] = await Promise.all([repo.list(window, signal), repo.count(signal)])
      const users = rows.slice(0, size)
      return { users, total, next: rows.length > size ? users.at(-1)?.id : undefined }
    },

    /**
     * Fails with USER_NOT_FOUND and USER_ALREADY_EXISTS, and with PRECONDITION_FAILED when `tags` are
     * given and the user's is none of them.
     */
    async update(
      id: bigint,
      changes: Partial<UserFields>,
      signal: AbortSignal,
      tags?: readonly string[],
    ): Promise<User> {
      const check = tags && tagIsOneOf(tags)
      return (await repo.update(id, normalized(changes), signal, check)) ?? notFound(id)
    },

    /** Fails with USER_NOT_FOUND, and with PRECONDITION_FAILED as an update. */
    async delete(id: bigint, signal: AbortSignal, tags?: readonly string[]): Promise<void> {
      if (!(await repo.delete(id, signal, tags && tagIsOneOf(tags)))) notFound(id)
    },
  }
}

// 132 bits: no two states of users meet by chance.
const tagLength = 22

/** Names the state of a user: equal for equal fields, whatever process or database gives them. */
export function userTag({ id, name, email, phone, createdAt }: User): string {
  const state = JSON.stringify([String(id), name, email, phone, createdAt.getTime()])
  return hash('sha256', state, 'base64url').slice(0, tagLength)
}

function tagIsOneOf(tags: readonly string[]): UserCheck {
  return function check(user) {
    if (tags.includes(userTag(user))) return
    throw new DomainError<Reason>({
      kind: 'aborted',
      reason: 'PRECONDITION_FAILED',
      message: `the user ${user.id} is not in the state that the etag names`,
      metadata: { user_id: String(user.id) },
    })
  }
}

// The same set as CEL's trim(), by which the name's length was checked; String.trim takes U+FEFF too.
const outerSpace = /^\p{White_Space}+|\p{White_Space}+$/gu

/** Names lose the space around them; mail addresses are compared without regard to case. */
function normalized<T extends Partial<UserFields>>(fields: T): T {
  return {
    ...fields,
    ...(fields.name !== undefined && { name: fields.name.replace(outerSpace, '') }),
    ...(fields.email !== undefined && { email: fields.email.toLowerCase() }),
  }
}

/** Refuses a request for its offending fields, as invalidInput does: INVALID_USER_INPUT. */
export function invalidUserInput(broken: readonly FieldViolation[], further = 0): DomainError {
  return invalidInput<Reason>('INVALID_USER_INPUT', broken, further)
}

function notFound(id: bigint): never {
  throw new DomainError<Reason>({
    kind: 'not_found',
    reason: 'USER_NOT_FOUND',
    message: `there is no user ${id}`,
    metadata: { user_id: String(id) },
  })
}
