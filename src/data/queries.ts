import type { NewUser, User, UserFields } from '../biz/user.ts'

/** The statements of every noun on one connection; a transaction may use those of several. */
export interface Queries {
  readonly users: UserQueries
}

/** The statements of the users table on one connection; each is built once. */
export interface UserQueries {
  insert(user: NewUser): Promise<bigint>
  insertMany(users: NewUser[]): Promise<void>
  find(id: bigint): Promise<User | undefined>
  after(id: bigint, limit: number): Promise<User[]>
  window(offset: number, limit: number): Promise<User[]>
  count(): Promise<number>
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
