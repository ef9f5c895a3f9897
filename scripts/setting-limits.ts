// The allowed values of a setting in words, from the rules of proto/conf.
import {
  type DescField,
  type DescMessage,
  getExtension,
  getOption,
  hasExtension,
  type Message,
  ScalarType,
} from '@bufbuild/protobuf'

import { field as fieldRules, predefined } from '../src/gen/buf/validate/validate_pb.ts'
import type { FieldRules } from '../src/gen/buf/validate/validate_pb.ts'
import { file_conf_v1_rules as shared } from '../src/gen/conf/v1/rules_pb.ts'

/** Whether a field is a part of the file with settings of its own, not a setting. */
export function isSection(
  field: DescField,
): field is DescField & { fieldKind: 'message'; message: DescMessage } {
  return field.fieldKind === 'message' && field.message.typeName !== 'google.protobuf.Duration'
}

/** The allowed values of a setting, as a cell of a Markdown table. */
export function allowed(field: DescField): string {
  const rules = getOption(field, fieldRules)
  if (field.fieldKind !== 'map') return ofRules(rules) ?? ofType(field)
  const values = rules.type.case === 'map' ? rules.type.value.values : undefined
  return `\`name: value\`${values ? `, each value ${ofRules(values)}` : ''}`
}

function ofType(field: DescField): string {
  if (field.scalar === ScalarType.BOOL) return '`true`, `false`'
  return field.scalar === ScalarType.STRING ? 'a text' : 'any'
}

function ofRules({ type }: FieldRules): string | undefined {
  if (type.value === undefined) return undefined
  if (type.case === 'string' && type.value.in.length > 0)
    return type.value.in.map(choice).join(', ')
  if (type.case === 'string' && type.value.minLen > 0) return 'a text that is not empty'
  if (type.case === 'int32' || type.case === 'double') {
    return `${type.value.greaterThan.value} to ${type.value.lessThan.value}`
  }
  return ofSharedRule(type.value)
}

function choice(text: string): string {
  return text === '' ? 'empty' : `\`${text}\``
}

/** A rule of rules.proto, whose message names the allowed values. */
function ofSharedRule(rules: Message): string | undefined {
  const rule = shared.extensions
    .filter((extension) => extension.extendee.typeName === rules.$typeName)
    .find((extension) => hasExtension(rules, extension) && getExtension(rules, extension) === true)
  const message = rule && getOption(rule, predefined).cel[0]?.message
  return message?.replace(/^must be /, '').replaceAll('*', '\\*')
}
