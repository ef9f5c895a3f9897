import type { Column, GetColumnData, Placeholder as Placed } from 'drizzle-orm'
import { drizzleOrm } from '../drizzle.ts'

const { is, Param, Placeholder, sql } = drizzleOrm

type Values = Readonly<Record<string, unknown>>

/** A statement of Drizzle's, taken apart once. */
interface Statement {
  sql: string
  /** Gives the values for the driver, in the order of the text. */
  parameters: (values: Values) => unknown[]
}

interface Query {
  toSQL(): { sql: string; params: unknown[] }
}

/** Takes the text of a query, and how its parameters are made of values by name. */
export function statement(query: Query): Statement {
  const { sql, params } = query.toSQL()
  const readers = params.map(reader)
  return { sql, parameters: (values) => readers.map((read) => read(values)) }
}

function reader(param: unknown): (values: Values) => unknown {
  if (is(param, Placeholder)) return (values) => values[param.name]
  if (is(param, Param) && is(param.value, Placeholder)) {
    const { value: placeholder, encoder } = param
    return function read(values) {
      const value = values[placeholder.name]
      return value === null ? null : encoder.mapToDriverValue(value)
    }
  }
  return () => param
}

type Columns = Record<string, Column>
type RowOf<C extends Columns> = { [Name in keyof C]: GetColumnData<C[Name]> }

/** Gives what makes an object of a row that the driver gives of these columns, by their types. */
export function rowReader<C extends Columns>(columns: C): (values: readonly unknown[]) => RowOf<C> {
  const fields = Object.entries(columns).map(([name, column]) => ({ name, read: decoder(column) }))
  return function read(values) {
    const row: Record<string, unknown> = {}
    let at = 0
    for (const { name, read } of fields) {
      const value = values[at]
      row[name] = value === null ? null : read(value)
      at += 1
    }
    return row as RowOf<C>
  }
}

function decoder(column: Column): (value: unknown) => unknown {
  // The driver reads a time from its bytes, which costs less than to write a text and to read that.
  return column.dataType === 'date' ? asItIs : (value) => column.mapFromDriverValue(value)
}

function asItIs(value: unknown): unknown {
  return value
}

/** Takes the text of a query for a number of keys or rows when that number first comes. */
export function sized(query: (count: number) => Query): (count: number) => string {
  const texts = new Map<number, string>()
  return function textFor(count) {
    const text = texts.get(count) ?? query(count).toSQL().sql
    texts.set(count, text)
    return text
  }
}

/**
 * As `sized`, of a query by a list of keys. The list is filled up to a power of two with its last key,
 * so that there are few texts.
 */
export function keyed(query: (keys: Placed[]) => Query) {
  const textFor = sized((count) =>
    query(Array.from({ length: count }, (_, at) => sql.placeholder(`key${at}`))),
  )
  return function withKeys<Key>(keys: readonly Key[]): { sql: string; values: Key[] } {
    const size = 2 ** Math.ceil(Math.log2(keys.length))
    const last = keys.slice(-1)
    const values = [...keys, ...Array.from({ length: size - keys.length }, () => last).flat()]
    return { sql: textFor(size), values }
  }
}
