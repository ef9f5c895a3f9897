import type { DescField, DescMessage, MessageShape } from '@bufbuild/protobuf'
import { getOption } from '@bufbuild/protobuf'
import { pathToString } from '@bufbuild/protobuf/reflect'
import type { Validator } from '@bufbuild/protovalidate'
import type { FieldViolation } from '../../biz/error.ts'
import { withEmptyText } from '../../text/rule.ts'
import { field as fieldRules, Ignore } from '../../gen/buf/validate/validate_pb.ts'
import { longList } from './long-lists.ts'
import { malformedText } from './malformed-text.ts'

/** Gives the rules that a message breaks; `fields` are those whose text is looked at. */
export type Violations = <Desc extends DescMessage>(
  desc: Desc,
  message: MessageShape<Desc>,
  fields?: readonly DescField[],
) => FieldViolation[]

/**
 * Makes what finds the buf.validate rules that messages break, and text that cannot be stored. The
 * validator of the settings has compiled many of the rules already. A list that is too long is named
 * alone, before anything is done for each of its elements.
 */
export function messageRules(validator: Validator): Violations {
  return function violations(desc, message, fields = desc.fields) {
    const long = longList(desc, message)
    if (long) return [long]
    const text = malformedText(desc, message, { fields })
    const result = validator.validate(desc, message)
    if (result.kind === 'error') throw result.error
    const rules = (result.violations ?? []).map(({ field, message: rule }) => ({
      field: pathToString(field),
      rule: withEmptyText(rule),
    }))
    return [...text, ...rules]
  }
}

/** The fields of a message whose rules are those of the call; the handler looks at the others. */
export function checkedFields({ fields }: DescMessage): DescField[] {
  return fields.filter((field) => getOption(field, fieldRules).ignore !== Ignore.ALWAYS)
}
