import type { NewUser, User, UserFields, UserRepo } from '../biz/user.ts'
import type { ChangeQueries } from './changes/source.ts'
import type { Shared } from './statement-observer.ts'

/** The id of a stored user, with the mail address by which its insert is found. */
export type Stored = Pick<User, 'id' | 'email'>

/** The statements of every noun on one connection; a transaction may use those of several. */
export interface Queries {
  readonly users: UserQueries
  /** The history of the users. */
  readonly userChanges: ChangeQueries
}

/** A repository's methods without the signal, which a call has given to get the connection. */
type OnConnection<Repo> = {
  [Name in keyof Repo]: Repo[Name] extends (...args: [...infer Args, AbortSignal]) => infer Result
    ? (...args: Args) => Result
    : never
}

/**
 * The statements of the users table on one connection; each is built once. A method of the repository
 * is one statement, except for those that are made of other ones here.
 */
export interface UserQueries extends OnConnection<
  Omit<UserRepo, 'list' | 'update' | 'delete' | 'apply'>
> {
  /** Stores all of them, or none if in a transaction. */
  insertMany(users: readonly NewUser[], shared?: Shared): Promise<Stored[]>
  /** As the repository's; for several calls, it is told of them. */
  findMany(ids: readonly bigint[], shared?: Shared): Promise<User[]>
  window(offset: number, limit: number): Promise<User[]>
  /** As `find`, of a row that until the end of the transaction only this one can change. */
  lock(id: bigint): Promise<User | undefined>
  /** Gives whether there was a row. */
  update(id: bigint, changes: Partial<UserFields>): Promise<boolean>
  /** Gives whether there was a row. */
  delete(id: bigint): Promise<boolean>
}

/**
 * Builds a noun's statements when a call first asks for them, and then keeps them: a connection that
 * serves one noun does not pay for the others.
 */
export function lazily<T extends object>(builders: { [Noun in keyof T]: () => T[Noun] }): T {
  const built: Partial<T> = {}
  const nouns = Object.keys(builders) as (keyof T)[]
  const properties = nouns.map((noun) => [
    noun,
    { enumerable: true, get: () => (built[noun] ??= builders[noun]()) },
  ])
  return Object.defineProperties({}, Object.fromEntries(properties)) as T
}
