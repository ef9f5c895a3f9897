import { equals, type DescField, type DescMessage, type Message } from '@bufbuild/protobuf'
import { getField, protoPath, resolvePath, rivalOf, setEntry, setField } from '../field-path.ts'
import { nearest } from '../../text/nearest.ts'
import type { QueryParameter } from './query.ts'
import { InvalidText, parseScalar } from './scalar-text.ts'
import {
  type ChosenAnswer,
  isSystemParameter,
  readSystemParameter,
  type SystemParameters,
} from './system-parameters.ts'
import { isTextField, isTextType, parseText, type TextOptions } from './value.ts'

/** How the parameters of a query or a form are bound. */
export interface ParameterOptions extends TextOptions {
  /** The treatment of a parameter that names no field. */
  unknownParameters: 'refuse' | 'ignore'
  /** The treatment of a field that has another value in the body or the query than in the path. */
  conflicts: 'refuse' | 'path-wins'
  /** Whether `labels[key]=value` fills a map. */
  mapParameters: boolean
  /** Maximum number of values for one list or map. */
  maxRepeated: number
}

/** The message that the parameters of a query or a form fill. */
interface ParameterTarget {
  desc: DescMessage
  message: Message
  /** The field that the body fills and parameters may not; `*` for all fields, '' for none. */
  closed: string
  /** The proto paths of the fields that the URL's path has filled. */
  bound: ReadonlySet<string>
  /**
   * The place for system parameters, and the answer that they are about; absent for a form.
   */
  system?: { into: SystemParameters; answer: ChosenAnswer }
}

/** The rule that each wrong parameter breaks first, by the name of the parameter. */
export type BrokenRules = Map<string, string>

// More would make the answer long, and each unknown name costs a comparison with every field.
const maxTold = 16

// The answer repeats a name in message and metadata, so a name of 1 MiB would cost 2 MiB.
const maxToldLength = 128

/**
 * Records the rule that a parameter breaks, unless it has broken one before. Long names are cut.
 */
export function refuse(rules: BrokenRules, name: string, rule: string): void {
  const told = toldName(name)
  if (!rules.has(told)) rules.set(told, rule)
}

function toldName(name: string): string {
  return name.length > maxToldLength ? `${name.slice(0, maxToldLength)}…` : name
}

/** A field, or an entry of one, that a parameter names. */
interface Slot {
  path: DescField[]
  field: DescField
  /** The key in a map. */
  entry: string | undefined
}

/** The text that a parameter gives for a slot. */
interface GivenText {
  /** The proto path of the slot's field. */
  name: string
  text: string
  /** The number of values for this field up to here, this one included. */
  count: number
}

/**
 * Binds parameters to a message and adds the rules that they break to `rules`. Returns the key
 * under which each field was sent, by proto path.
 */
export function bindParameters(
  target: ParameterTarget,
  parameters: readonly QueryParameter[],
  options: ParameterOptions,
  rules: BrokenRules,
): Map<string, string> {
  const sentKeys = new Map<string, string>()
  const counts = new Map<string, number>()
  for (const parameter of parameters) {
    if (rules.size >= maxTold) break
    const slot = findSlot(target, parameter.key, options)
    if (slot === undefined) {
      bindOther(target, parameter, options, rules)
      continue
    }
    const name = protoPath(slot.path)
    const count = (counts.get(name) ?? 0) + 1
    counts.set(name, count)
    sentKeys.set(name, parameter.key)
    const rule = bindSlot(target, slot, { name, text: parameter.value, count }, options)
    if (rule !== undefined) refuse(rules, parameter.key, rule)
  }
  return sentKeys
}

/** Fills one slot. Returns the rule that the text breaks, if any. */
function bindSlot(
  { message, bound }: ParameterTarget,
  { path, field, entry }: Slot,
  { name, text, count }: GivenText,
  options: ParameterOptions,
): string | undefined {
  const many = field.fieldKind === 'list' || entry !== undefined
  if (count > 1 && !many) return 'is given more than once'
  if (count > options.maxRepeated) return `is given more than ${options.maxRepeated} times`
  const rival = rivalOf(message, path)
  if (rival !== undefined) return `cannot be given together with ${rival}`
  try {
    const value = parseText(field, text, options)
    if (entry !== undefined) {
      const key = mapKey(field, entry)
      return setEntry(message, path, key, value) ? undefined : 'is given more than once'
    }
    if (!bound.has(name)) setField(message, path, value)
    else if (options.conflicts === 'refuse' && !same(field, getField(message, path), value))
      return 'has another value in the query than in the path'
    return undefined
  } catch (err) {
    if (err instanceof InvalidText) return err.message
    throw err
  }
}

function mapKey(field: DescField, key: string): string {
  return field.fieldKind === 'map' ? String(parseScalar(field.mapKey, key)) : key
}

/** The field that a key names, if a text can fill it and the body does not. */
function findSlot(
  { desc, closed }: ParameterTarget,
  key: string,
  { mapParameters }: ParameterOptions,
): Slot | undefined {
  if (closed === '*') return undefined
  const bracket = mapParameters && key.endsWith(']') ? key.indexOf('[') : -1
  const entry = bracket === -1 ? undefined : key.slice(bracket + 1, -1)
  const path = resolvePath(desc, bracket === -1 ? key : key.slice(0, bracket))
  const field = path?.at(-1)
  if (path === undefined || field === undefined) return undefined
  if (closed !== '' && path[0]?.name === closed) return undefined
  const fits =
    entry === undefined ? isTextField(field) : field.fieldKind === 'map' && isTextType(field)
  return fits ? { path, field, entry } : undefined
}

/** Reads a parameter that names no field: a system parameter, or an unknown one. */
function bindOther(
  target: ParameterTarget,
  parameter: QueryParameter,
  { unknownParameters }: ParameterOptions,
  rules: BrokenRules,
): void {
  const { key } = parameter
  if (target.system === undefined || !isSystemParameter(key)) {
    // Once for repetitions of a name, since the suggestion compares it with all fields.
    if (unknownParameters === 'refuse' && !rules.has(toldName(key)))
      refuse(rules, key, unknownParameter(target, key))
    return
  }
  try {
    readSystemParameter(parameter, target.system.answer, target.system.into)
  } catch (err) {
    if (!(err instanceof InvalidText)) throw err
    refuse(rules, key, err.message)
  }
}

function unknownParameter({ desc, closed }: ParameterTarget, key: string): string {
  if (closed === '*') return 'is not known: this method takes its fields from the body'
  const names = desc.fields
    .filter((field) => isTextField(field) && field.name !== closed)
    .map(({ name }) => name)
  const meant = nearest(key, names)
  return `is not known${meant ? `; did you mean ${meant}?` : ''}; allowed are ${names.join(', ')}`
}

/** Whether two values of a field are equal. */
export function same(field: DescField | undefined, one: unknown, other: unknown): boolean {
  if (one instanceof Uint8Array && other instanceof Uint8Array)
    return Buffer.compare(one, other) === 0
  if (field?.message && typeof one === 'object' && typeof other === 'object')
    return equals(field.message, one as Message, other as Message)
  return Object.is(one, other)
}
