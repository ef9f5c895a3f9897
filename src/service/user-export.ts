import { toJson } from '@bufbuild/protobuf'
import type { User } from '../biz/user.ts'
import { GetUserReplySchema } from '../gen/api/user/v1/user_pb.ts'
import { toReply } from './user.ts'

/** How users are written into a file. */
interface ExportFormat {
  contentType: string
  /** The ending of a file's name. */
  extension: string
  /** What stands before the first user. */
  head: string
  encode: (users: readonly User[]) => string
}

const ndjson: ExportFormat = {
  contentType: 'application/x-ndjson',
  extension: 'ndjson',
  head: '',
  encode: (users) => users.map((user) => `${JSON.stringify(json(user))}\n`).join(''),
}

function json(user: User) {
  return toJson(GetUserReplySchema, toReply(user), { alwaysEmitImplicit: true })
}

// A spreadsheet takes such a cell for a formula and carries it out; tabs and returns are skipped there.
// https://owasp.org/www-community/attacks/CSV_Injection
const formula = /^[=+\-@\t\r]/

const columns = ['id', 'name', 'email', 'phone', 'created_at']

/** RFC 4180. */
const csv: ExportFormat = {
  contentType: 'text/csv; charset=utf-8',
  extension: 'csv',
  head: line(columns),
  encode: (users) =>
    users
      .map(({ id, name, email, phone, createdAt }) =>
        line([String(id), name, email, phone, createdAt.toISOString()]),
      )
      .join(''),
}

function line(cells: readonly string[]): string {
  return `${cells.map(cell).join(',')}\r\n`
}

function cell(text: string): string {
  const plain = formula.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain
}

/** The format of an ExportUsersRequest, which names one of two or none. */
export function exportFormat(name: string): ExportFormat {
  return name === 'csv' ? csv : ndjson
}
