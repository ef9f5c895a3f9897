import { sqliteCore } from '../drizzle.ts'

const { customType } = sqliteCore

/** A 64-bit integer. The connection reads every integer as a bigint, so that ids are exact. */
export const bigInteger = customType<{ data: bigint; driverData: bigint }>({
  dataType: () => 'integer',
})

/** A time, stored in ms of the epoch. */
export const epochMs = customType<{ data: Date; driverData: bigint }>({
  dataType: () => 'integer',
  toDriver: (date) => BigInt(date.getTime()),
  fromDriver: (ms) => new Date(Number(ms)),
})

/** An integer that a number can hold. */
export const smallInteger = customType<{ data: number; driverData: bigint }>({
  dataType: () => 'integer',
  toDriver: (value) => BigInt(value),
  fromDriver: (value) => Number(value),
})
