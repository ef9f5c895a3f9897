/**
 * The `error.type` of a failure, for spans and metrics: the reason of a domain error, SQLite's extended
 * code as `SQLITE_2067`, the driver's code (`ER_DUP_ENTRY`, `ECONNREFUSED`), or the error's name.
 * node:sqlite gives every error of SQLite the same `code`, so that one would not tell them apart.
 */
export function errorType(err: unknown): string {
  if (!(err instanceof Error)) return '_OTHER'
  if ('reason' in err && typeof err.reason === 'string') return err.reason
  if ('errcode' in err) return `SQLITE_${String(err.errcode)}`
  if ('code' in err && typeof err.code === 'string') return err.code
  return err.name
}

/**
 * The `db.response.status_code` of a failed statement: MySQL's error number or SQLite's extended code.
 * Undefined for errors that are not the database's answer.
 */
export function databaseCode(err: unknown): string | undefined {
  if (!(err instanceof Error)) return undefined
  if ('sqlState' in err && err.sqlState !== undefined && 'errno' in err) return String(err.errno)
  return 'errcode' in err ? String(err.errcode) : undefined
}
