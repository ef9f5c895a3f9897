import {
  type DescField,
  type DescMessage,
  getOption,
  isFieldSet,
  type MessageShape,
} from '@bufbuild/protobuf'
import { type Path, pathToString, reflect, type ReflectMessage } from '@bufbuild/protobuf/reflect'
import {
  field as fieldRules,
  type FieldRules,
  Ignore,
  MapRulesSchema,
  RepeatedRulesSchema,
} from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js'
import type { FieldViolation } from '../../biz/error.ts'

/** The most elements of a list, or entries of a map, and what protovalidate says if there are more. */
interface Limit {
  max: bigint
  rule: string
}

/** A field that has a limit, or messages with limits in it. */
interface Bound {
  field: DescField
  limit: Limit | undefined
  /** Whether the messages in the field have limits. */
  isDeep: boolean
}

type MapKey = string | number | bigint | boolean

/** A limit that is broken, with the way to its field. */
interface Broken {
  path: Path
  rule: string
}

const boundsByType = new WeakMap<DescMessage, readonly Bound[]>()

/**
 * Finds the first list or map that is longer than its rule allows, here or in a message within. It
 * looks at sizes only: protovalidate evaluates the rules of all elements of such a list, too, so that
 * a small request could keep the process busy for seconds.
 */
export function longList<Desc extends DescMessage>(
  desc: Desc,
  message: MessageShape<Desc>,
): FieldViolation | undefined {
  if (boundsOf(desc).length === 0) return undefined
  const broken = brokenIn(reflect(desc, message))
  return broken && { field: pathToString(broken.path), rule: broken.rule }
}

function brokenIn(message: ReflectMessage): Broken | undefined {
  const bounds = boundsOf(message.desc)
  // All sizes of a message come before what is in it, which may be long where a rule does not bound it.
  for (const { field, limit } of bounds)
    if (limit && sizeOf(message, field) > limit.max) return { path: [field], rule: limit.rule }
  for (const { field, isDeep } of bounds) {
    const broken = isDeep ? brokenWithin(message, field) : undefined
    if (broken) return broken
  }
  return undefined
}

function brokenWithin(message: ReflectMessage, field: DescField): Broken | undefined {
  for (const [steps, value] of messagesIn(message, field)) {
    const broken = brokenIn(value as ReflectMessage)
    if (broken) return { ...broken, path: [field, ...steps, ...broken.path] }
  }
  return undefined
}

/** The messages in a field, each with the way to it from there. */
function* messagesIn(message: ReflectMessage, field: DescField): Iterable<[Path, unknown]> {
  if (!message.isSet(field)) return
  if (field.fieldKind === 'list') {
    for (const [index, value] of message.get(field).entries())
      yield [[{ kind: 'list_sub', index }], value]
  } else if (field.fieldKind === 'map') {
    for (const [key, value] of message.get(field))
      yield [[{ kind: 'map_sub', key: key as MapKey }], value]
  } else {
    yield [[], message.get(field)]
  }
}

function sizeOf(message: ReflectMessage, field: DescField): number {
  return field.fieldKind === 'list' || field.fieldKind === 'map' ? message.get(field).size : 0
}

/** The bounds of a type, which are found once: most types have none. */
function boundsOf(desc: DescMessage): readonly Bound[] {
  const known = boundsByType.get(desc)
  if (known) return known
  const bounds = desc.fields
    .map(boundOf)
    .filter(({ limit, isDeep }) => limit !== undefined || isDeep)
  boundsByType.set(desc, bounds)
  return bounds
}

function boundOf(field: DescField): Bound {
  const within = messageOf(field)
  return { field, limit: limitOf(field), isDeep: within !== undefined && hasLimits(within) }
}

/** Whether a type has limits at any depth. The types that were `seen` need no other look. */
function hasLimits(desc: DescMessage, seen = new Set<DescMessage>()): boolean {
  if (seen.has(desc)) return false
  seen.add(desc)
  return desc.fields.some((field) => {
    const within = messageOf(field)
    return limitOf(field) !== undefined || (within !== undefined && hasLimits(within, seen))
  })
}

/** The type of the messages in a field, if protovalidate looks at them. */
function messageOf(field: DescField): DescMessage | undefined {
  const rules = getOption(field, fieldRules)
  if (field.fieldKind === 'scalar' || isIgnored(rules) || isIgnored(valueRules(rules)))
    return undefined
  return field.message
}

function isIgnored(rules: FieldRules | undefined): boolean {
  return rules?.ignore === Ignore.ALWAYS
}

function valueRules({ type }: FieldRules): FieldRules | undefined {
  if (type.case === 'repeated') return type.value.items
  return type.case === 'map' ? type.value.values : undefined
}

function limitOf(field: DescField): Limit | undefined {
  const rules = getOption(field, fieldRules)
  if (isIgnored(rules)) return undefined
  if (field.fieldKind === 'list') return listLimit(rules)
  return field.fieldKind === 'map' ? mapLimit(rules) : undefined
}

function listLimit({ type: { case: kind, value } }: FieldRules): Limit | undefined {
  if (kind !== 'repeated' || !isFieldSet(value, RepeatedRulesSchema.field.maxItems))
    return undefined
  return { max: value.maxItems, rule: `must contain no more than ${value.maxItems} item(s)` }
}

function mapLimit({ type: { case: kind, value } }: FieldRules): Limit | undefined {
  if (kind !== 'map' || !isFieldSet(value, MapRulesSchema.field.maxPairs)) return undefined
  return { max: value.maxPairs, rule: `map must be at most ${value.maxPairs} entries` }
}
