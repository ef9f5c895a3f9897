import type { DescMessage } from '@bufbuild/protobuf'
import { parseFields, type Selection } from './fields.ts'
import type { QueryParameter } from './query.ts'
import { InvalidText } from './scalar-text.ts'

/** The form of the answer that the client asks for, by Google's system parameters. */
export interface SystemParameters {
  /** `$alt`: the answer is JSON, even if Accept excludes it. */
  json: boolean
  /** `$alt=sse`: the messages of a stream are events, whatever Accept says. */
  events: boolean
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
  events: false,
  enumsAsNumbers: false,
  pretty: false,
  fields: undefined,
}

/** Whether a key that names no field is a system parameter. */
export function isSystemParameter(key: string): boolean {
  return ['$alt', 'alt', '$prettyPrint', '$fields'].includes(key)
}

/** The answer whose form system parameters choose. */
export interface ChosenAnswer {
  /** The message that `$fields` selects from; undefined if the answer has no fields. */
  message: DescMessage | undefined
  /** Whether the answer is a stream of messages. */
  streams: boolean
}

/** Reads a system parameter into `into`. Throws InvalidText. */
export function readSystemParameter(
  { key, value }: QueryParameter,
  { message: answer, streams }: ChosenAnswer,
  into: SystemParameters,
): void {
  if (key === '$prettyPrint') into.pretty = readBool(value)
  else if (key === '$fields') {
    if (value === '') return
    if (answer === undefined) throw new InvalidText('cannot be given: the answer has no fields')
    into.fields = parseFields(answer, value)
  } else {
    if (into.json || into.events) throw new InvalidText('is given more than once')
    const isEvents = streams && value === 'sse'
    const known = isEvents || value === 'json' || value === 'json;enum-encoding=int'
    if (!known)
      throw new InvalidText(`must be json or json;enum-encoding=int${streams ? ', or sse' : ''}`)
    into.events = isEvents
    into.json = !isEvents
    if (isEvents) return
    into.enumsAsNumbers = value !== 'json'
  }
}

function readBool(value: string): boolean {
  if (value === '1' || value === 'true') return true
  if (value === '0' || value === 'false') return false
  throw new InvalidText('must be true, false, 1 or 0')
}
