import { fromJson, type DescMessage, type JsonObject, type MessageShape } from '@bufbuild/protobuf'
import {
  isReflectMap,
  isReflectMessage,
  pathToString,
  reflect,
  type Path,
  type ReflectMessage,
} from '@bufbuild/protobuf/reflect'
import { type Duration, durationMs, DurationSchema } from '@bufbuild/protobuf/wkt'
import type { Violation } from '@bufbuild/protovalidate'

import { ConfError } from './error.ts'
import { isDuration, isSecret } from './leaf.ts'
import { keysReader } from './yaml-to-json.ts'
import type { Env } from './placeholder.ts'
import { type Given, problemList } from './problems.ts'
import { validator } from './validator.ts'
import { expandAll, parseYaml, reportPlaceholders } from './yaml.ts'
import { isObject } from '../text/json-object.ts'
import { withEmptyText } from '../text/rule.ts'

/** A configuration file that has been read. */
export interface ConfFile {
  text: string
  /** The file's name in messages. */
  origin: string
  /** Whether it comes from a config centre: it has no placeholders, and not the section `config`. */
  remote?: boolean
}

/** Looks at a message that keeps all rules, for what rules cannot say. */
type Check<M> = (message: M, report: ProblemReport) => void

/** Reports a value that the service cannot use. Each problem has its own line in the ConfError. */
export interface ProblemReport {
  /** Reports the setting at this path, such as `server.http.addr`. */
  setting: (path: string, problem: string) => void
  /** Reports a variable of the environment that is no part of the file. */
  variable: (name: string, problem: string) => void
}

interface Input<M> {
  file: ConfFile
  env: Env
  defaults?: ConfFile | undefined
  /** Documents that count over the file, the last over those before it. */
  over?: readonly ConfFile[] | undefined
  check?: Check<M> | undefined
}

interface Decoded<M> {
  message: M
  /** A path as messages have it: with the variables that gave the value. */
  named: (path: string) => string
  /** Where the value of a setting comes from, by its path. */
  given: ReadonlyMap<string, Given>
}

/**
 * Reads a message of any type from YAML. Throws a ConfError with all that is wrong: keys and types,
 * rules, and what `check` finds.
 */
export function decode<Desc extends DescMessage>(
  schema: Desc,
  { file, env, defaults, over = [], check }: Input<MessageShape<Desc>>,
): Decoded<MessageShape<Desc>> {
  const problems = problemList(file.origin)
  const { given, named, report } = problems
  const unknownIn = new Set<string>()
  const layers = [...(defaults ? [defaults] : []), file, ...over]
  const json = layers.map(readFile).reduce(merge, {})
  const message = attempt(() => fromJson(schema, json))
  const whole = tellRules()
  if (whole) check?.(message, { setting: reportFresh, variable: problems.reportVariable })
  problems.stopIfAny()
  return { message, named, given }

  function readFile({ text, origin, remote = false }: ConfFile): JsonObject {
    const yaml = parseYaml(text, origin)
    const reportHere = (path: string, problem: string) => report(path, problem, origin)
    const reader = keysReader(yaml, reportHere, (path, variables) =>
      given.set(path, { origin, variables }),
    )
    if (remote) reportPlaceholders(yaml, reportHere)
    else expandAll(yaml, env, reportHere)
    const read = reader.read(schema)
    for (const path of reader.unknownIn) unknownIn.add(path)
    if (!remote || !('config' in read)) return read
    reportHere('config', 'only the file can have this section')
    const { config: _config, ...others } = read
    return others
  }

  function reportFresh(path: string, problem: string): void {
    if (!problems.known(path)) report(path, problem)
  }

  /** Tells each broken rule. False where a part of the message is missing. */
  function tellRules(): boolean {
    let whole = true
    for (const violation of violations(schema, message)) {
      const path = pathToString(violation.field)
      const found = given.has(path) || given.has(settingOf(violation.field))
      if (isPart(violation.field)) whole = false
      // A key that is misspelled is missing, too.
      if (problems.known(path) || (!found && unknownIn.has(parentOf(path)))) continue
      report(path, found ? broken(violation, reflect(schema, message)) : missing(violation))
    }
    return whole
  }

  function attempt<T>(read: () => T): T {
    try {
      return read()
    } catch (cause) {
      problems.stopIfAny()
      throw new ConfError([`${file.origin}: ${String(cause)}`])
    }
  }
}

/** The values of `over` where it has one; lists are replaced whole. */
function merge(under: JsonObject, over: JsonObject): JsonObject {
  const merged = { ...under }
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key]
    merged[key] = isObject(below) && isObject(value) ? merge(below, value) : value
  }
  return merged
}

function violations<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
): Violation[] {
  const result = validator.validate(schema, message)
  if (result.kind === 'error') throw result.error
  return result.kind === 'invalid' ? result.violations : []
}

/** Whether the path leads to a message with settings of its own. */
function isPart(path: Path): boolean {
  const last = path.at(-1)
  return last?.kind === 'field' && last.fieldKind === 'message' && !isDuration(last)
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('.')))
}

/** The setting that has the value: the file is read down to a map and no further. */
function settingOf(path: Path): string {
  const inside = path.findIndex((step) => step.kind !== 'field')
  return pathToString(inside === -1 ? path : path.slice(0, inside))
}

function missing({ ruleId, message }: Violation): string {
  return ruleId === 'required' ? 'missing' : `missing, ${withEmptyText(message)}`
}

function broken({ field, message }: Violation, root: ReflectMessage): string {
  const first = field.find((step) => step.kind === 'field' && isSecret(step))
  const found = first ? undefined : shown(valueAt(root, field))
  const rule = withEmptyText(message)
  return found === undefined ? rule : `found ${found}, ${rule}`
}

/** A value as the file has it; undefined for a mapping. */
function shown(value: unknown): string | undefined {
  if (typeof value === 'string') return JSON.stringify(value)
  if (isReflectMessage(value, DurationSchema))
    return `${durationMs(value.message as Duration) / 1000}s`
  const plain = typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean'
  return plain ? String(value) : undefined
}

function valueAt(root: ReflectMessage, path: Path): unknown {
  let value: unknown = root
  for (const step of path) {
    if (isReflectMessage(value) && step.kind === 'field') value = value.get(step)
    else if (isReflectMap(value) && step.kind === 'map_sub') value = value.get(step.key)
    else return root
  }
  return value
}
