import type { DescMessage } from '@bufbuild/protobuf'
import { parseFields, type Selection } from './fields.ts'
import type { QueryParameter } from './query.ts'
import { InvalidText } from './scalar-text.ts'

/** The form of the answer that the client asks for, by Google's system parameters. */
export interface SystemParameters {
  /** `$alt`: the answer is JSON, even if Accept excludes it. */
  json: boolean
  /** `$alt=json;enum-encoding=int`: enums are numbers in the answer. */
  enumsAsNumbers: boolean
  /** `$prettyPrint`: the answer is indented. */
  pretty: boolean
  /** `$fields`: the selected part of the answer; undefined for all of it. */
  fields: Selection | undefined
}

/** The values without any system parameter. Shared between requests, so copy it before writing. */
export const noSystemParameters: SystemParameters = {
  json: false,
  enumsAsNumbers: false,
  pretty: false,
  fields: undefined,
}

/** Whether a key that names no field is a system parameter. */
export function isSystemParameter(key: string): boolean {
  return ['$alt', 'alt', '$prettyPrint', '$fields'].includes(key)
}

/**
 * Reads a system parameter into `into`. `answer` is the message that `$fields` selects from;
 * undefined if the answer has no fields. Throws InvalidText.
 */
export function readSystemParameter(
  { key, value }: QueryParameter,
  answer: DescMessage | undefined,
  into: SystemParameters,
): void {
  if (key === '$prettyPrint') into.pretty = readBool(value)
  else if (key === '$fields') {
    if (value === '') return
    if (answer === undefined) throw new InvalidText('cannot be given: the answer has no fields')
    into.fields = parseFields(answer, value)
  } else {
    if (into.json) throw new InvalidText('is given more than once')
    const known = value === 'json' || value === 'json;enum-encoding=int'
    if (!known) throw new InvalidText('must be json or json;enum-encoding=int')
    into.json = true
    into.enumsAsNumbers = value !== 'json'
  }
}

function readBool(value: string): boolean {
  if (value === '1' || value === 'true') return true
  if (value === '0' || value === 'false') return false
  throw new InvalidText('must be true, false, 1 or 0')
}
