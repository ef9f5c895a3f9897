import type { DescField, DescMessage, JsonObject, JsonValue } from '@bufbuild/protobuf'
import { isAlias, isMap, isNode, isScalar, isSeq } from 'yaml'

import { isDuration, leafOf } from './leaf.ts'
import { nearest } from '../text/nearest.ts'
import type { Refuse, Yaml } from './yaml.ts'

type Place = { node: unknown; path: string }

/** Turns YAML into the JSON form of a message, and refuses keys and types that it does not have. */
export function keysReader({ doc, expanded }: Yaml, refuse: Refuse) {
  /** The paths that the file gives a value to: proto3 alone cannot tell 0 from nothing. */
  const given = new Set<string>()
  return { given, read: (message: DescMessage) => readMessage(message, follow(doc.contents), '') }

  function readMessage(message: DescMessage, node: unknown, path: string): JsonObject {
    const json: JsonObject = {}
    if (!isMap(node)) {
      refuse(path, `found ${inWords(node)}, allowed is a mapping with ${keysOf(message)}`)
      return json
    }
    for (const { key, value } of node.items) {
      const name = String(isScalar(key) ? key.value : key)
      const at = path === '' ? name : `${path}.${name}`
      const field = message.fields.find((field) => field.name === name)
      if (field) json[name] = readField(field, { node: follow(value), path: at })
      else refuse(at, unknownKey(name, message))
    }
    return json
  }

  function readField(field: DescField, { node, path }: Place): JsonValue {
    given.add(path)
    if (field.fieldKind === 'message' && !isDuration(field)) {
      return readMessage(field.message, node, path)
    }
    const leaf = leafOf(field)
    if (!leaf) return isNode(node) ? node.toJS(doc) : null
    if (expanded.get(node) === 'refused') return null
    const value = isScalar(node) ? node.value : undefined
    const json = typeof value === 'string' && expanded.has(node) ? leaf.fromText(value) : value
    if (leaf.accepts(json)) return json
    refuse(path, `found ${inWords(node)}, allowed is ${leaf.allowed}`)
    return null
  }

  function follow(node: unknown): unknown {
    return isAlias(node) ? node.resolve(doc) : node
  }
}

function unknownKey(name: string, message: DescMessage): string {
  const meant = nearest(
    name,
    message.fields.map((field) => field.name),
  )
  const hint = meant === undefined ? '.' : `, did you mean ${meant}?`
  return `unknown key${hint} Allowed: ${keysOf(message)}`
}

function keysOf(message: DescMessage): string {
  return message.fields.map((field) => field.name).join(', ')
}

function inWords(node: unknown): string {
  if (isMap(node)) return 'a mapping'
  if (isSeq(node)) return 'a list'
  if (!isScalar(node) || node.value === null) return 'nothing'
  const { value, source = '' } = node
  return typeof value === 'string' ? `the text ${JSON.stringify(value)}` : source
}
