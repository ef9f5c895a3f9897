import { hash } from 'node:crypto'
import type { ErrorReason } from '../gen/api/errors/v1/error_reason_pb.ts'
import { DomainError, type FieldViolation, invalidInput, type ReasonOf } from './error.ts'

type Reason = ReasonOf<typeof ErrorReason>

/** A stored user. */
export interface User {
  id: bigint
  name: string
  email: string
  phone: string
  createdAt: Date
}

/** The fields of a user that clients set. */
export interface UserFields {
  name: string
  email: string
  phone: string
}

/** A user to store, without the id that the database assigns. */
export type NewUser = UserFields & { createdAt: Date }

/** Checks the current state of a user before a write, and throws to prevent the write. */
export type UserCheck = (user: User) => void

/** The part of the list to read: the users after an id, or from an offset in rows. */
export type UserWindow = { after: bigint; limit: number } | { offset: number; limit: number }

/**
 * Storage of users. Every call fails with DATABASE_UNAVAILABLE if the database cannot be used, and
 * with the reason of the signal if the signal aborts first. A write that fails so may still have
 * happened.
 */
export interface UserRepo {
  /**
   * Stores a user and returns its id. Fails with USER_ALREADY_EXISTS if the mail address is in use.
   */
  insert(user: NewUser, signal: AbortSignal): Promise<bigint>
  find(id: bigint, signal: AbortSignal): Promise<User | undefined>
  /** Those that there are, in any order. */
  findMany(ids: readonly bigint[], signal: AbortSignal): Promise<User[]>
  /** Those that there are, in any order. The addresses are in lower case. */
  findByEmails(emails: readonly string[], signal: AbortSignal): Promise<User[]>
  /** Users by ascending id; may be read from a replica that lags behind. */
  list(window: UserWindow, signal: AbortSignal): Promise<User[]>
  /** Users by ascending id, with every write that was committed before the call. */
  after(id: bigint, limit: number, signal: AbortSignal): Promise<User[]>
  /** The number of users: exact for a small table, otherwise up to some seconds old. */
  count(signal: AbortSignal): Promise<number>
  /**
   * Changes the given fields and returns the user after this change; undefined if there is no such
   * user. `check` and the change are one step: no other write comes between. Errors of `check` are
   * thrown.
   */
  update(
    id: bigint,
    changes: Partial<UserFields>,
    signal: AbortSignal,
    check?: UserCheck,
  ): Promise<User | undefined>
  /** Deletes a user. False if there was none. `check` as in an update. */
  delete(id: bigint, signal: AbortSignal, check?: UserCheck): Promise<boolean>
  /**
   * Carries out several writes, or none of them: false if a new address is in use, or there is no such
   * user.
   */
  apply(writes: UserWrites, signal: AbortSignal): Promise<boolean>
}

/** Writes of one transaction. No user and no address is in it twice. */
export interface UserWrites {
  created: readonly NewUser[]
  updated: readonly { id: bigint; changes: Partial<UserFields> }[]
}

/**
 * A page to list: the users after an id (keyset), or a page number from 1. `size` 0 is the default.
 */
export type UserQuery = { size: number } & ({ after: bigint } | { page: number })

/** One page of the list, by ascending id. */
export interface UserPage {
  users: User[]
  /** The number of all users; may be some seconds old. */
  total: number
  /** The id after which the next page starts; undefined on the last page. */
  next: bigint | undefined
}

const defaultPageSize = 20
const maxPageSize = 100

/** The operations on users, as userUsecase makes them. */
export type UserUsecase = ReturnType<typeof userUsecase>

/**
 * The rules of users. `now` gives the time of creation. Fields must be valid by the rules in
 * user.proto, which the validate interceptor has checked.
 */
export function userUsecase(repo: UserRepo, now: () => Date) {
  return {
    /** Fails with USER_ALREADY_EXISTS if the mail address is in use. */
    async create(fields: UserFields, signal: AbortSignal): Promise<User> {
      const user = { ...fields, ...normalized(fields), createdAt: now() }
      return { id: await repo.insert(user, signal), ...user }
    },

    /** Fails with USER_NOT_FOUND. */
    async get(id: bigint, signal: AbortSignal): Promise<User> {
      return (await repo.find(id, signal)) ?? notFound(id)
    },

    /**
     * Reads one row more than the page has, which shows without a second query whether it is the
     * last.
     */
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
     * Fails with USER_NOT_FOUND, with USER_ALREADY_EXISTS, and with PRECONDITION_FAILED if `tags`
     * are given and lack the tag of the user.
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

    /** Fails with USER_NOT_FOUND, and with PRECONDITION_FAILED as `update` does. */
    async delete(id: bigint, signal: AbortSignal, tags?: readonly string[]): Promise<void> {
      if (!(await repo.delete(id, signal, tags && tagIsOneOf(tags)))) notFound(id)
    },
  }
}

// 132 bits, so that a collision of two states by chance is practically impossible.
const tagLength = 22

/**
 * A hash of the state of a user: equal for equal fields, in every process and with every database.
 */
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

// The set that CEL's trim() removes, with which user.proto checks the length; String.trim adds
// U+FEFF.
const outerSpace = /^\p{White_Space}+|\p{White_Space}+$/gu

/**
 * Removes the space around a name, and lowers a mail address, so that its case does not distinguish
 * users.
 */
export function normalized<T extends Partial<UserFields>>(fields: T): T {
  return {
    ...fields,
    ...(fields.name !== undefined && { name: fields.name.replace(outerSpace, '') }),
    ...(fields.email !== undefined && { email: fields.email.toLowerCase() }),
  }
}

/**
 * The error of a request with invalid fields, as invalidInput makes it, with INVALID_USER_INPUT.
 */
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
