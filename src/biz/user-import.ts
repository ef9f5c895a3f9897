import type { ErrorReason } from '../gen/api/errors/v1/error_reason_pb.ts'
import type { FieldViolation, ReasonOf } from './error.ts'
import {
  type NewUser,
  normalized,
  type User,
  type UserFields,
  type UserRepo,
  type UserWrites,
} from './user.ts'

/** The known fields of a user to import, or the rules that they break. */
export type ImportRow =
  | { fields: Partial<UserFields> & Pick<UserFields, 'email'> }
  | { broken: readonly FieldViolation[] }

/** A row that was left out. */
interface ImportFailure {
  /** Its place among the rows, from 1. */
  line: number
  reason: ReasonOf<typeof ErrorReason>
  violations: readonly FieldViolation[]
}

/** What has become of the rows. */
export interface ImportResult {
  created: number
  /** Those that were there, also if nothing of them had to change. */
  updated: number
  failed: number
  /** The first ones of those that failed. */
  failures: ImportFailure[]
}

const maxFailures = 100
/** Others may write the same users between the read and the write. */
const maxAttempts = 5

type Repo = Pick<UserRepo, 'findByEmails' | 'apply'>

/** A row and its place among all rows, from 1. */
type Row = ImportRow & { line: number }

/** What becomes of some rows: the failures are all of them, by their places. */
type Outcome = Omit<ImportResult, 'failed'>

/**
 * Imports users in batches of rows, each in one transaction. `now` gives the time of creation. The
 * size of a batch decides what the import costs, and nothing else.
 */
export function userImport(repo: Repo, now: () => Date, batchSize = 200) {
  async function stored(rows: readonly Row[], signal: AbortSignal): Promise<Outcome> {
    for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
      const users = await repo.findByEmails(emailsOf(rows), signal)
      const { writes, outcome } = planOf(rows, users, now())
      if (isEmpty(writes) || (await repo.apply(writes, signal))) return outcome
    }
    return alone(rows, signal)
  }

  /** Rows that could not be stored together: one that others keep from being stored is left out. */
  async function alone(rows: readonly Row[], signal: AbortSignal): Promise<Outcome> {
    if (rows.length === 1)
      return { created: 0, updated: 0, failures: rows.map(({ line }) => ({ line, ...taken })) }
    const all: Outcome = { created: 0, updated: 0, failures: [] }
    for (const row of rows) {
      const { created, updated, failures } = await stored([row], signal)
      all.created += created
      all.updated += updated
      all.failures.push(...failures)
    }
    return all
  }

  /**
   * Creates users or, by mail address, updates them, as if each row was stored before the next is
   * read. A row that breaks a rule is counted and left out. Batches that are stored stay so when a
   * later one fails. The same rows may be imported again.
   */
  return async function importAll(
    rows: AsyncIterable<ImportRow>,
    signal: AbortSignal,
  ): Promise<ImportResult> {
    const result: ImportResult = { created: 0, updated: 0, failed: 0, failures: [] }
    let batch: Row[] = []
    let line = 0
    for await (const row of rows) {
      line += 1
      batch.push('broken' in row ? { ...row, line } : { fields: normalized(row.fields), line })
      if (batch.length < batchSize) continue
      add(result, await stored(batch, signal))
      batch = []
    }
    if (batch.length > 0) add(result, await stored(batch, signal))
    return result
  }
}

const taken = { reason: 'USER_ALREADY_EXISTS', violations: [] } as const

function add(result: ImportResult, { created, updated, failures }: Outcome): void {
  result.created += created
  result.updated += updated
  result.failed += failures.length
  result.failures.push(...failures.slice(0, maxFailures - result.failures.length))
}

/** Each address once. */
function emailsOf(rows: readonly Row[]): string[] {
  return [...new Set(rows.flatMap((row) => ('fields' in row ? [row.fields.email] : [])))]
}

function isEmpty({ created, updated }: UserWrites): boolean {
  return created.length + updated.length === 0
}

const nameIsMissing = { field: 'user.name', rule: 'must be given for a new user' }

/** Carries rows out in order on what is stored, in memory, so that each user is written once. */
function planOf(rows: readonly Row[], users: readonly User[], createdAt: Date) {
  const changes = new Map<string, Partial<UserFields>>(users.map(({ email }) => [email, {}]))
  const created = new Map<string, NewUser>()
  const failures: ImportFailure[] = []
  const fail = (line: number, violations: readonly FieldViolation[]) =>
    failures.push({ line, reason: 'INVALID_USER_INPUT', violations })
  for (const row of rows) {
    if ('broken' in row) {
      fail(row.line, row.broken)
      continue
    }
    const { name, email, phone = '' } = row.fields
    const earlier = changes.get(email) ?? created.get(email)
    if (earlier !== undefined) Object.assign(earlier, row.fields)
    else if (name === undefined) fail(row.line, [nameIsMissing])
    else created.set(email, { name, email, phone, createdAt })
  }
  const writes: UserWrites = { created: [...created.values()], updated: changed(users, changes) }
  const updated = rows.length - created.size - failures.length
  return { writes, outcome: { created: created.size, updated, failures } }
}

/** The users whose stored fields are not what they shall be, with what was said of them. */
function changed(users: readonly User[], all: ReadonlyMap<string, Partial<UserFields>>) {
  return users.flatMap((user) => {
    const changes = all.get(user.email) ?? {}
    return differs(user, changes) ? [{ id: user.id, changes }] : []
  })
}

function differs(user: User, { name = user.name, phone = user.phone }: Partial<UserFields>) {
  return name !== user.name || phone !== user.phone
}
