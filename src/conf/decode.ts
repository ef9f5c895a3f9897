import {
  createRegistry,
  fromJson,
  type DescMessage,
  type JsonObject,
  type JsonValue,
  type MessageShape,
} from '@bufbuild/protobuf'
import {
  isReflectMessage,
  pathToString,
  reflect,
  type Path,
  type ReflectMessage,
} from '@bufbuild/protobuf/reflect'
import { createValidator, type Violation } from '@bufbuild/protovalidate'

import { file_conf_v1_rules } from '../gen/conf/v1/rules_pb.ts'
import { ConfError } from './error.ts'
import { keysReader } from './yaml-to-json.ts'
import type { Env } from './placeholder.ts'
import { expandAll, parseYaml } from './yaml.ts'

/** A configuration file that has been read. */
export interface ConfFile {
  text: string
  /** The file's name in messages. */
  origin: string
}

/** protovalidate finds a rule of ours by its number. */
const registry = createRegistry(file_conf_v1_rules)

interface Input {
  file: ConfFile
  env: Env
  defaults: ConfFile | undefined
}

/** Reads a message of any type from YAML. The rules are only asked once all keys and types are right. */
export function decode<Desc extends DescMessage>(
  schema: Desc,
  { file, env, defaults }: Input,
): MessageShape<Desc> {
  const problems: string[] = []
  const given = new Map<string, string>()
  const json = merge(defaults ? readFile(defaults) : {}, readFile(file))
  stopIfAny()
  const message = attempt(() => fromJson(schema, json))
  checkRules(schema, message, (violation) => {
    const path = pathToString(violation.field)
    const origin = given.get(path) ?? given.get(settingOf(violation.field))
    const found = origin !== undefined
    refuse(
      origin ?? file.origin,
      path,
      found ? broken(violation, reflect(schema, message)) : missing(violation),
    )
  })
  stopIfAny()
  return message

  function readFile({ text, origin }: ConfFile): JsonObject {
    const yaml = parseYaml(text, origin)
    const refuseHere = (path: string, problem: string) => refuse(origin, path, problem)
    const reader = keysReader(yaml, refuseHere)
    expandAll(yaml, env, refuseHere)
    const read = reader.read(schema)
    for (const path of reader.given) given.set(path, origin)
    return read
  }

  function refuse(origin: string, path: string, problem: string): void {
    problems.push([origin, path, problem].filter((part) => part !== '').join(': '))
  }

  function attempt<T>(read: () => T): T {
    try {
      return read()
    } catch (cause) {
      throw new ConfError([`${file.origin}: ${String(cause)}`])
    }
  }

  function stopIfAny(): void {
    if (problems.length > 0) throw new ConfError(problems)
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

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function checkRules<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
  tell: (violation: Violation) => void,
): void {
  const result = createValidator({ registry }).validate(schema, message)
  if (result.kind === 'error') throw result.error
  if (result.kind === 'invalid') result.violations.forEach(tell)
}

/** The setting that has the value: the file is read down to a map and no further. */
function settingOf(path: Path): string {
  const inside = path.findIndex((step) => step.kind !== 'field')
  return pathToString(inside === -1 ? path : path.slice(0, inside))
}

function missing({ ruleId, message }: Violation): string {
  return ruleId === 'required' ? 'missing' : `missing, ${message}`
}

function broken({ field, message }: Violation, root: ReflectMessage): string {
  const value = valueAt(root, field)
  if (typeof value === 'string') return `found ${JSON.stringify(value)}, ${message}`
  const plain = typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean'
  return plain ? `found ${value}, ${message}` : message
}

function valueAt(root: ReflectMessage, path: Path): unknown {
  let value: unknown = root
  for (const step of path) {
    if (!isReflectMessage(value) || step.kind !== 'field') return root
    value = value.get(step)
  }
  return value
}
