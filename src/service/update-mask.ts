import type { DescField, DescMessage, Message } from '@bufbuild/protobuf'
import { isFieldSet } from '@bufbuild/protobuf'
import type { FieldMask } from '@bufbuild/protobuf/wkt'
import { type FieldViolation, maxNamed } from '../biz/error.ts'

/** The part of an update request that says what is to change. */
interface Update<Fields extends object> {
  /** The field of the request with the new values, by its name in the proto. */
  at: string
  desc: DescMessage
  message: Message | undefined
  mask: FieldMask | undefined
  /**
   * The new value of each field by its name in TypeScript, that of a cleared one included; undefined
   * where the message has none and the field may not be cleared.
   */
  values: { [Name in keyof Fields]: Fields[Name] | undefined }
  /** Makes the error of a request that cannot be carried out. */
  invalid: (broken: readonly FieldViolation[], further: number) => Error
}

/**
 * The new values of the fields that change (AIP-134): those that the mask names, `*` for all, or
 * without a mask those that the message has.
 */
export function changesOf<Fields extends object>(update: Update<Fields>): Partial<Fields> {
  const { at, desc, mask, values, invalid } = update
  const paths = mask?.paths ?? []
  const { violations, further } = unknownPaths(desc, paths)
  const changes: Record<string, unknown> = {}
  for (const field of changing(update, paths)) {
    const value = values[field.localName as keyof Fields]
    if (value !== undefined) changes[field.localName] = value
    else violations.push({ field: `${at}.${field.name}`, rule: 'cannot be cleared' })
  }
  if (violations.length > 0) throw invalid(violations, further)
  if (Object.keys(changes).length > 0) return changes as Partial<Fields>
  throw invalid([{ field: at, rule: `must have something to change: ${names(desc)}` }], 0)
}

function changing<Fields extends object>(
  { desc, message }: Update<Fields>,
  paths: readonly string[],
): readonly DescField[] {
  if (paths.includes('*')) return desc.fields
  if (paths.length > 0) return desc.fields.filter(({ name }) => paths.includes(name))
  return message === undefined ? [] : desc.fields.filter((field) => isFieldSet(message, field))
}

function names({ fields }: DescMessage): string {
  return fields.map(({ name }) => name).join(', ')
}

/**
 * The unknown paths of a mask as violations, at most `maxNamed + 1`, and the number of further
 * ones.
 */
function unknownPaths(desc: DescMessage, paths: readonly string[]) {
  // A Set would hash each of the paths, of which there may be ten thousands.
  const known = ['*', ...desc.fields.map(({ name }) => name)]
  const unknown = paths.filter((path) => !known.includes(path))
  const violations: FieldViolation[] = unknown.slice(0, maxNamed + 1).map((path) => ({
    field: 'update_mask',
    rule: `has the unknown path "${excerpt(path)}"; allowed are *, ${names(desc)}`,
  }))
  return { violations, further: unknown.length - violations.length }
}

// Longer than any path of a resource, and short enough that the rule after it is seen.
const excerptLength = 64

/** The beginning of a text from the client, cut between code points. */
function excerpt(text: string): string {
  if (text.length <= excerptLength) return text
  return `${Array.from(text.slice(0, excerptLength + 1))
    .slice(0, excerptLength)
    .join('')}…`
}
