import type { FieldViolation } from '../biz/error.ts'
import type { ImportResult, ImportRow } from '../biz/user-import.ts'
import { type ImportUsersRequest, UserFieldsSchema } from '../gen/api/user/v1/user_pb.ts'
import type { CheckMessage } from './check.ts'

/** Makes a row of each message; those that break a rule say which. */
export async function* importRows(
  requests: AsyncIterable<ImportUsersRequest>,
  check: CheckMessage,
): AsyncGenerator<ImportRow> {
  for await (const request of requests) yield toRow(request, check)
}

function toRow({ user }: ImportUsersRequest, check: CheckMessage): ImportRow {
  if (user === undefined) return { broken: [{ field: 'user', rule: 'must be given' }] }
  const { name, email, phone } = user
  const broken = check(UserFieldsSchema, user).map(({ field, rule }) => ({
    field: `user.${field}`,
    rule,
  }))
  if (broken.length > 0) return { broken }
  if (email === undefined) return { broken: [{ field: 'user.email', rule: 'must be given' }] }
  return {
    fields: { email, ...(name !== undefined && { name }), ...(phone !== undefined && { phone }) },
  }
}

/** The reply to an import. */
export function toImportReply({ created, updated, failed, failures }: ImportResult) {
  return {
    created: BigInt(created),
    updated: BigInt(updated),
    failed: BigInt(failed),
    failures: failures.map(({ line, reason, violations }) => ({
      line: BigInt(line),
      reason,
      metadata: byField(violations),
    })),
  }
}

function byField(violations: readonly FieldViolation[]): Record<string, string> {
  return Object.fromEntries(violations.map(({ field, rule }) => [field, rule]))
}
