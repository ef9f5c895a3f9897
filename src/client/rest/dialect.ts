/**
 * Which version of Kratos' HTTP the peer speaks: v3 has protobuf's JSON mapping as
 * application/protojson, and under application/json that of Go's structs; v2 knows
 * application/json only, in protobuf's mapping. This service reads both alike.
 */
export type Dialect = 'kratos2' | 'kratos3'

const jsonTypes: Record<Dialect, string> = {
  kratos2: 'application/json',
  kratos3: 'application/protojson',
}

/** The content type by which a dialect names protobuf's JSON mapping. */
export function jsonType(dialect: Dialect): string {
  return jsonTypes[dialect]
}
