import { ScalarType } from '@bufbuild/protobuf'

const int32 = [-(2n ** 31n), 2n ** 31n - 1n] as const
const int64 = [-(2n ** 63n), 2n ** 63n - 1n] as const
const uint32 = [0n, 2n ** 32n - 1n] as const
const uint64 = [0n, 2n ** 64n - 1n] as const

const ranges = {
  [ScalarType.INT32]: int32,
  [ScalarType.SINT32]: int32,
  [ScalarType.SFIXED32]: int32,
  [ScalarType.UINT32]: uint32,
  [ScalarType.FIXED32]: uint32,
  [ScalarType.INT64]: int64,
  [ScalarType.SINT64]: int64,
  [ScalarType.SFIXED64]: int64,
  [ScalarType.UINT64]: uint64,
  [ScalarType.FIXED64]: uint64,
} as const

/** A scalar type of proto that holds an integer. */
export type IntegerType = keyof typeof ranges

/** The minimum and the maximum of an integer type. */
export function rangeOf(type: IntegerType): readonly [bigint, bigint] {
  return ranges[type]
}

/** Whether an integer type is held as a bigint. */
export function is64Bit(type: IntegerType): boolean {
  return ranges[type] === int64 || ranges[type] === uint64
}
