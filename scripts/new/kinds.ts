// What each type of a field is in every place that a resource has.

/** A type of a field. */
export interface Kind {
  /** The type of the field in the proto. */
  proto: string
  /** Rules of buf.validate: what stands in brackets after a field. */
  rules: readonly string[]
  /** What the comment of the field says of its values. */
  says: string
  /** The type of a value inside the service. */
  domain: string
  /** The column, by its name, for Drizzle, and the function that makes it. */
  mysql: { column: (name: string) => string; from: string }
  sqlite: { column: (name: string) => string; from: string }
  /** Whether a value can be taken once only. */
  canBeUnique: boolean
  /** Sample values in tests, by a number that tells them apart. */
  sample: (name: string, n: string) => Sample
  /** A value of the generated message that breaks the rules; none breaks no rule. */
  invalid?: string
  /** A value at the edge of what the column takes, inside the service. */
  extreme: string
}

interface Sample {
  domain: string
  /** Of the generated message. */
  message: string
  json: string
}

const same = (value: string): Sample => ({ domain: value, message: value, json: value })

const longest = 200

const string: Kind = {
  proto: 'string',
  rules: [
    '(buf.validate.field).string.min_len = 1',
    `(buf.validate.field).string.max_len = ${longest}`,
  ],
  says: `1 to ${longest} characters (code points).`,
  domain: 'string',
  mysql: {
    column: (name) => `binaryVarchar('${name}', { length: ${longest} })`,
    from: 'binaryVarchar',
  },
  sqlite: { column: (name) => `text('${name}')`, from: 'text' },
  canBeUnique: true,
  sample: (name, n) => same(`\`${name} \${${n}}\``),
  invalid: "''",
  extreme: `'😀'.repeat(${longest})`,
}

const int32: Kind = {
  proto: 'int32',
  rules: [],
  says: '',
  domain: 'number',
  mysql: { column: (name) => `int('${name}')`, from: 'int' },
  sqlite: { column: (name) => `smallInteger('${name}')`, from: 'smallInteger' },
  canBeUnique: true,
  sample: (_name, n) => same(n),
  extreme: '-(2 ** 31)',
}

const int64: Kind = {
  proto: 'int64',
  rules: [],
  says: '',
  domain: 'bigint',
  mysql: { column: (name) => `bigint('${name}', { mode: 'bigint' })`, from: 'bigint' },
  sqlite: { column: (name) => `bigInteger('${name}')`, from: 'bigInteger' },
  canBeUnique: true,
  sample: (_name, n) => ({ ...same(`BigInt(${n})`), json: `String(${n})` }),
  extreme: '2n ** 63n - 1n',
}

const bool: Kind = {
  proto: 'bool',
  rules: [],
  says: '',
  domain: 'boolean',
  mysql: { column: (name) => `boolean('${name}')`, from: 'boolean' },
  sqlite: { column: (name) => `integer('${name}', { mode: 'boolean' })`, from: 'integer' },
  canBeUnique: false,
  sample: (_name, n) => same(`${n} % 2 === 0`),
  extreme: 'false',
}

const double: Kind = {
  proto: 'double',
  rules: [
    `(buf.validate.field).cel = {
    id: "finite"
    message: "must be a number, and not infinite"
    expression: "!this.isNan() && !this.isInf()"
  }`,
  ],
  says: 'A finite number.',
  domain: 'number',
  mysql: { column: (name) => `double('${name}')`, from: 'double' },
  sqlite: { column: (name) => `real('${name}')`, from: 'real' },
  canBeUnique: false,
  sample: (_name, n) => same(`${n} + 0.1`),
  invalid: 'Number.NaN',
  extreme: '-1.7976931348623157e308',
}

/**
 * The rule compares times, since getFullYear of cel-es takes the year 99 for 1999. It has an upper bound, since a
 * message in binary can have any time; half a millisecond before the year 10000 would be rounded up to it.
 */
const timestamp: Kind = {
  proto: 'google.protobuf.Timestamp',
  rules: [
    `(buf.validate.field).cel = {
    id: "year"
    message: "must be in the years 1000 to 9999"
    expression: "this >= timestamp('1000-01-01T00:00:00Z') && this < timestamp('9999-12-31T23:59:59.9995Z')"
  }`,
  ],
  says: 'In the years 1000 to 9999; kept to the millisecond.',
  domain: 'Date',
  mysql: {
    column: (name) => `datetime('${name}', { mode: 'date', fsp: 3 })`,
    from: 'datetime',
  },
  sqlite: { column: (name) => `epochMs('${name}')`, from: 'epochMs' },
  canBeUnique: false,
  sample: (_name, n) => {
    const date = `new Date(1_700_000_000_123 + ${n})`
    return { domain: date, message: `timestampFromDate(${date})`, json: `${date}.toISOString()` }
  },
  invalid: "timestampFromDate(new Date('0099-12-31'))",
  extreme: "new Date('9999-12-31T23:59:59.999Z')",
}

/** The types by the names that the command line has for them. */
export const kinds: Readonly<Record<string, Kind>> = {
  string,
  int32,
  int64,
  bool,
  double,
  timestamp,
}

/** Columns of SQLite that the service has functions of its own for, each with its text. */
export const ownColumns: Readonly<Record<string, string>> = {
  smallInteger: `
/** An integer that a number can hold. */
export const smallInteger = customType<{ data: number; driverData: bigint }>({
  dataType: () => 'integer',
  toDriver: (value) => BigInt(value),
  fromDriver: (value) => Number(value),
})
`,
}
