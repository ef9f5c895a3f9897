import { fromJson, type DescMessage, type MessageShape } from '@bufbuild/protobuf'
import {
  isReflectMessage,
  pathToString,
  reflect,
  type Path,
  type ReflectMessage,
} from '@bufbuild/protobuf/reflect'
import { createValidator, type Violation } from '@bufbuild/protovalidate'

import { ConfError } from './error.ts'
import { keysReader } from './keys.ts'
import type { Env } from './placeholder.ts'
import { expandAll, parseYaml } from './yaml.ts'

/** Reads a message of any type from YAML. The rules are only asked once all keys and types are right. */
export function decode<Desc extends DescMessage>(
  schema: Desc,
  file: { text: string; env: Env; origin: string },
): MessageShape<Desc> {
  const problems: string[] = []
  const yaml = parseYaml(file.text, file.origin)
  const { given, read } = keysReader(yaml, refuse)
  expandAll(yaml, file.env, refuse)
  const json = read(schema)
  stopIfAny()
  const message = attempt(() => fromJson(schema, json))
  checkRules(schema, message, (violation) => {
    const path = pathToString(violation.field)
    refuse(path, given.has(path) ? broken(violation, reflect(schema, message)) : missing(violation))
  })
  stopIfAny()
  return message

  function refuse(path: string, problem: string): void {
    problems.push([file.origin, path, problem].filter((part) => part !== '').join(': '))
  }

  function stopIfAny(): void {
    if (problems.length > 0) throw new ConfError(problems)
  }

  function attempt<T>(read: () => T): T {
    try {
      return read()
    } catch (cause) {
      throw new ConfError([`${file.origin}: ${String(cause)}`])
    }
  }
}

function checkRules<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
  tell: (violation: Violation) => void,
): void {
  const result = createValidator().validate(schema, message)
  if (result.kind === 'error') throw result.error
  if (result.kind === 'invalid') result.violations.forEach(tell)
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
