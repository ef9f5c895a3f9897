import type { NewUser, User, UserFields } from '../biz/user.ts'

/** The statements of the users table on one connection; each is built once. */
export interface UserQueries {
  insert(user: NewUser): Promise<bigint>
  find(id: bigint): Promise<User | undefined>
  after(id: bigint, limit: number): Promise<User[]>
  window(offset: number, limit: number): Promise<User[]>
  count(): Promise<number>
  /** Gives whether there was a row. */
  update(id: bigint, changes: Partial<UserFields>): Promise<boolean>
  /** Gives whether there was a row. */
  delete(id: bigint): Promise<boolean>
}

/** One storage adapter. What its driver throws leaves it as UniqueViolation or DomainError. */
export interface Database {
  /** Names the storage for the start line, without credentials. */
  readonly description: string
  /** Runs `work` on one connection. */
  use<T>(work: (users: UserQueries) => Promise<T>): Promise<T>
  /** Runs `work` in one transaction; it is begun anew when the database breaks a deadlock with it. */
  tx<T>(work: (users: UserQueries) => Promise<T>): Promise<T>
  /** Brings the schema up to date and gives the names of the migrations that it applied. */
  migrate(): Promise<string[]>
  close(): Promise<void>
}
