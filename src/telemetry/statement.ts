import type { Attributes } from '@opentelemetry/api'
import type { Storage } from '../data/statement-observer.ts'

/**
 * The attributes that spans and metrics of a statement share: the storage, the operation and the table.
 * Statements are written in this service with placeholders, so they are finitely many.
 */
export function statementAttributes(
  sql: string,
  { system, namespace, address, port }: Storage,
): Attributes {
  const { operation, table } = readStatement(sql)
  return {
    'db.system.name': system,
    'db.namespace': namespace,
    'db.operation.name': operation,
    ...(table !== undefined && { 'db.collection.name': table }),
    ...(address !== undefined && { 'server.address': address }),
    ...(port !== undefined && { 'server.port': port }),
  }
}

/** The summary of a statement: its first word in upper case and its main table, as `SELECT books`. */
export function statementSummary(sql: string): string {
  const { operation, table } = readStatement(sql)
  return table === undefined ? operation : `${operation} ${table}`
}

/** Of MariaDB's statement of several: its first insert says what it is for. */
const compoundInsert = /^begin not atomic\b.*?\binsert into [`"]?(\w+)/i

const tableOf: Record<string, RegExp> = {
  SELECT: /\sfrom\s+[`"]?(\w+)/i,
  INSERT: /^insert\s+(?:ignore\s+)?into\s+[`"]?(\w+)/i,
  UPDATE: /^update\s+[`"]?(\w+)/i,
  DELETE: /^delete\s+from\s+[`"]?(\w+)/i,
}

function readStatement(sql: string): { operation: string; table: string | undefined } {
  const text = sql.trim()
  const [, first] = compoundInsert.exec(text) ?? []
  if (first !== undefined) return { operation: 'INSERT', table: first }
  const operation = /^\w+/.exec(text)?.[0].toUpperCase() ?? '_OTHER'
  return { operation, table: tableOf[operation]?.exec(text)?.[1] }
}
