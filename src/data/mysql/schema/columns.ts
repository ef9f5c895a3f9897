import { mysqlCore } from '../drizzle.ts'

const { customType } = mysqlCore

/**
 * Text that is compared as bytes, as on SQLite: the default collations take jose@ and josé@ for equal and
 * ignore case.
 */
export const binaryVarchar = customType<{ data: string; config: { length: number } }>({
  dataType: (config) => `varchar(${config?.length}) character set utf8mb4 collate utf8mb4_bin`,
})

/** Money, as cents. The driver gives and takes it as a text, since a double is not exact. */
export const money = customType<{ data: bigint; driverData: string }>({
  dataType: () => 'decimal(18,2)',
  toDriver: (cents) => `${cents / 100n}.${String(cents % 100n).padStart(2, '0')}`,
  fromDriver: (text) => BigInt(text.replace('.', '')),
})
