import type { ErrorReason } from '../gen/api/errors/v1/error_reason_pb.ts'
import type { FieldViolation, ReasonOf } from './error.ts'
import { type NewUser, normalized, type User, type UserFields, type UserRepo } from './user.ts'

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

/** Rows of one transaction. */
const batchSize = 200
const maxFailures = 100
/** Others may write the same users between the read and the write. */
const maxAttempts = 5

type Repo = Pick<UserRepo, 'findByEmails' | 'apply'>

/** The fields of one user, of all rows with its address, and how many these are. */
interface Wanted {
  fields: Partial<UserFields> & Pick<UserFields, 'email'>
  lines: number[]
}

/** Imports users in batches, each in one transaction. `now` gives the time of creation. */
export function userImport(repo: Repo, now: () => Date) {
  async function stored(batch: readonly Wanted[], result: ImportResult, signal: AbortSignal) {
    for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
      const emails = batch.map(({ fields }) => fields.email)
      const plan = planOf(batch, await repo.findByEmails(emails, signal), now())
      if (await repo.apply(plan.writes, signal)) return count(plan, result)
    }
    if (batch.length > 1) for (const each of batch) await stored([each], result, signal)
    else for (const line of linesOf(batch)) fail(result, { line, ...taken })
  }

  /**
   * Creates users or, by mail address, updates them. A row that breaks a rule is counted and left out.
   * Batches that are stored stay so when a later one fails. The same rows may be imported again.
   */
  return async function importAll(
    rows: AsyncIterable<ImportRow>,
    signal: AbortSignal,
  ): Promise<ImportResult> {
    const result: ImportResult = { created: 0, updated: 0, failed: 0, failures: [] }
    let batch = new Map<string, Wanted>()
    let line = 0
    let rowsInBatch = 0
    for await (const row of rows) {
      line += 1
      if ('broken' in row) {
        fail(result, { line, reason: 'INVALID_USER_INPUT', violations: row.broken })
        continue
      }
      add(batch, normalized(row.fields), line)
      rowsInBatch += 1
      if (rowsInBatch < batchSize) continue
      await stored([...batch.values()], result, signal)
      batch = new Map()
      rowsInBatch = 0
    }
    if (batch.size > 0) await stored([...batch.values()], result, signal)
    return result
  }
}

const taken = { reason: 'USER_ALREADY_EXISTS', violations: [] } as const

/** A later row with the same address changes what an earlier one has said. */
function add(batch: Map<string, Wanted>, fields: Wanted['fields'], line: number): void {
  const known = batch.get(fields.email)
  if (known === undefined) batch.set(fields.email, { fields: { ...fields }, lines: [line] })
  else {
    Object.assign(known.fields, fields)
    known.lines.push(line)
  }
}

interface Plan {
  writes: { created: NewUser[]; updated: { id: bigint; changes: Partial<UserFields> }[] }
  /** The rows of new users, of known ones, and of new ones without a name. */
  created: Wanted[]
  known: Wanted[]
  nameless: Wanted[]
}

function planOf(batch: readonly Wanted[], users: readonly User[], createdAt: Date): Plan {
  const byEmail = new Map(users.map((user) => [user.email, user]))
  const plan: Plan = { writes: { created: [], updated: [] }, created: [], known: [], nameless: [] }
  for (const wanted of batch) {
    const { name, email, phone = '' } = wanted.fields
    const user = byEmail.get(email)
    if (user !== undefined) {
      plan.known.push(wanted)
      if (differs(user, wanted.fields))
        plan.writes.updated.push({ id: user.id, changes: wanted.fields })
    } else if (name === undefined) plan.nameless.push(wanted)
    else {
      plan.created.push(wanted)
      plan.writes.created.push({ name, email, phone, createdAt })
    }
  }
  return plan
}

function differs(user: User, { name = user.name, phone = user.phone }: Partial<UserFields>) {
  return name !== user.name || phone !== user.phone
}

const nameIsMissing = { field: 'user.name', rule: 'must be given for a new user' }

function count({ created, known, nameless }: Plan, result: ImportResult): void {
  const rows = linesOf(created).length
  result.created += created.length
  // Further rows of a new user find it there.
  result.updated += linesOf(known).length + rows - created.length
  for (const line of linesOf(nameless))
    fail(result, { line, reason: 'INVALID_USER_INPUT', violations: [nameIsMissing] })
}

function linesOf(batch: readonly Wanted[]): number[] {
  return batch.flatMap(({ lines }) => lines)
}

function fail(result: ImportResult, failure: ImportFailure): void {
  result.failed += 1
  if (result.failures.length < maxFailures) result.failures.push(failure)
}
