import { type DescField, getExtension, hasExtension } from '@bufbuild/protobuf'
import {
  type FieldRules,
  field as fieldRules,
  type StringRules,
} from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js'
import type { Schema } from './scalar-schema.ts'

/** The keywords that a field's buf.validate rules add to its schema, and what they cannot say. */
interface FieldLimits {
  keywords: Schema
  /** Messages of the rules in CEL that have no keyword. */
  texts: string[]
}

const noLimits: FieldLimits = { keywords: {}, texts: [] }

/** Reads the buf.validate rules of a field, as far as JSON Schema can say the same. */
export function fieldLimits(field: DescField): FieldLimits {
  const rules = rulesOf(field)
  if (rules === undefined) return noLimits
  return { keywords: { ...typeKeywords(rules), ...celPattern(rules) }, texts: celTexts(rules) }
}

/** The keywords of each value of a list or a map. */
export function valueKeywords(field: DescField): Schema {
  const { case: kind, value } = rulesOf(field)?.type ?? {}
  const rules = kind === 'repeated' ? value?.items : kind === 'map' ? value?.values : undefined
  return rules === undefined ? {} : { ...typeKeywords(rules), ...celPattern(rules) }
}

function rulesOf({ proto: { options } }: DescField): FieldRules | undefined {
  if (!options || !hasExtension(options, fieldRules)) return undefined
  return getExtension(options, fieldRules)
}

function celPattern({ cel }: FieldRules): Schema {
  const patterns = cel.map(({ expression }) => matched(expression)).filter(isPattern)
  return patterns[0] === undefined ? {} : { pattern: patterns[0] }
}

function celTexts({ cel }: FieldRules): string[] {
  return cel.map(({ message, id }) => message || id).filter((text) => text !== '')
}

/** The pattern of `this.matches('…')`, if that is the whole expression. */
function matched(expression: string): string | undefined {
  return /^this\.matches\('((?:[^'\\]|\\.)*)'\)$/.exec(expression)?.[1]
}

/** Whether a pattern of RE2 means the same in ECMA 262: most do. */
function isPattern(source: string | undefined): source is string {
  if (source === undefined || source === '' || source.startsWith('(?')) return false
  try {
    return new RegExp(source, 'u') instanceof RegExp
  } catch {
    return false
  }
}

function typeKeywords({ type }: FieldRules): Schema {
  switch (type.case) {
    case 'string':
      return stringKeywords(type.value)
    case 'repeated': {
      const { minItems, maxItems, unique } = type.value
      return { ...limits({ minItems, maxItems }), ...(unique && { uniqueItems: true }) }
    }
    case 'map': {
      const { minPairs, maxPairs } = type.value
      return limits({ minProperties: minPairs, maxProperties: maxPairs })
    }
    case 'enum':
    case 'bool':
    case 'bytes':
    case 'any':
    case 'duration':
    case 'timestamp':
    case 'fieldMask':
    case undefined:
      return {}
    default:
      return numberKeywords(type.value)
  }
}

/** Keywords with the limits that are set, as numbers. */
function limits(given: Record<string, bigint | undefined>): Schema {
  const set = Object.entries(given).filter(([, value]) => value)
  return Object.fromEntries(set.map(([keyword, value]) => [keyword, Number(value)]))
}

// The rule of HTML's input of type email, which protovalidate has; `format` alone allows more.
const htmlEmail =
  "^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?" +
  '(?:\\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$'

const formats: Readonly<Record<string, Schema>> = {
  email: { format: 'email', pattern: htmlEmail },
  uuid: { format: 'uuid' },
  uri: { format: 'uri' },
  uriRef: { format: 'uri-reference' },
  hostname: { format: 'hostname' },
  ipv4: { format: 'ipv4' },
  ipv6: { format: 'ipv6' },
}

function stringKeywords(rules: StringRules): Schema {
  const { minLen, maxLen, len, in: allowed, notIn, wellKnown, const: only } = rules
  return {
    ...limits({ minLength: len || minLen, maxLength: len || maxLen }),
    ...stringPattern(rules),
    ...(wellKnown.case !== undefined && wellKnown.value === true && formats[wellKnown.case]),
    ...(allowed.length > 0 && { enum: allowed }),
    ...(notIn.length > 0 && { not: { enum: notIn } }),
    ...(only !== '' && { const: only }),
  }
}

/** One pattern: a schema has no place for two. */
function stringPattern({ pattern, prefix, suffix }: StringRules): Schema {
  if (isPattern(pattern)) return { pattern }
  if (prefix !== '') return { pattern: `^${literal(prefix)}` }
  return suffix === '' ? {} : { pattern: `${literal(suffix)}$` }
}

const literal = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')

interface NumberRules {
  greaterThan: { case: 'gt' | 'gte' | undefined; value?: number | bigint | undefined }
  lessThan: { case: 'lt' | 'lte' | undefined; value?: number | bigint | undefined }
  in: readonly (number | bigint)[]
}

function numberKeywords({ greaterThan, lessThan, in: allowed }: NumberRules): Schema {
  // Integers of 64 bits are strings in JSON, of which only the sign can be bounded.
  if ([greaterThan.value, lessThan.value, allowed[0]].some((each) => typeof each === 'bigint'))
    return textKeywords(greaterThan)
  return {
    ...(greaterThan.case === 'gt' && { exclusiveMinimum: greaterThan.value }),
    ...(greaterThan.case === 'gte' && { minimum: greaterThan.value }),
    ...(lessThan.case === 'lt' && { exclusiveMaximum: lessThan.value }),
    ...(lessThan.case === 'lte' && { maximum: lessThan.value }),
    ...(allowed.length > 0 && { enum: allowed }),
  }
}

function textKeywords({ case: kind, value }: NumberRules['greaterThan']): Schema {
  if (value !== 0n) return {}
  return { pattern: kind === 'gt' ? '^[1-9][0-9]{0,18}$' : '^(0|[1-9][0-9]{0,18})$' }
}
