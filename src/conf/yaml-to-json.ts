import type { DescField, DescMessage, JsonObject, JsonValue } from '@bufbuild/protobuf'
import { isAlias, isMap, isNode, isScalar, isSeq } from 'yaml'

import { isDuration, isSecret, leafOf } from './leaf.ts'
import { nearest } from '../text/nearest.ts'
import type { Report, Yaml } from './yaml.ts'

type Place = { node: unknown; path: string }

/** Told of each path that the file gives a value to, with the variables that are part of it. */
type Give = (path: string, variables: readonly string[]) => void

/** Turns YAML into the JSON form of a message, and reports keys and types that it does not have. */
export function keysReader({ doc, expanded }: Yaml, report: Report, give: Give) {
  /** The mappings that have a key which is not known. */
  const unknownIn = new Set<string>()
  return {
    unknownIn,
    read: (message: DescMessage) => readMessage(message, followed(doc, doc.contents), ''),
  }

  function readMessage(message: DescMessage, node: unknown, path: string): JsonObject {
    const json: JsonObject = {}
    if (!isMap(node)) {
      report(path, `found ${inWords(node)}, allowed is a mapping with ${keysOf(message)}`)
      return json
    }
    for (const { key, value } of node.items) {
      const name = String(isScalar(key) ? key.value : key)
      const at = path === '' ? name : `${path}.${name}`
      const field = message.fields.find((field) => field.name === name)
      if (field) json[name] = readField(field, { node: followed(doc, value), path: at })
      else {
        unknownIn.add(path)
        report(at, unknownKey(name, message))
      }
    }
    return json
  }

  function readField(field: DescField, { node, path }: Place): JsonValue {
    give(path, expanded.get(node)?.variables ?? [])
    if (field.fieldKind === 'map') return readMap(field, { node, path })
    if (field.fieldKind === 'message' && !isDuration(field)) {
      return readMessage(field.message, node, path)
    }
    return readLeaf(field, { node, path }) ?? null
  }

  function readMap(field: DescField, { node, path }: Place): JsonObject {
    const json: JsonObject = {}
    if (!isMap(node)) {
      report(
        path,
        `found ${inWords(node, field)}, allowed is a mapping, such as {} or {name: value}`,
      )
      return json
    }
    for (const { key, value } of node.items) {
      const name = String(isScalar(key) ? key.value : key)
      const at = `${path}[${JSON.stringify(name)}]`
      const place = { node: followed(doc, value), path: at }
      give(at, expanded.get(place.node)?.variables ?? [])
      const read = isPart(field)
        ? readMessage(field.message, place.node, at)
        : readLeaf(field, place)
      if (read !== undefined) json[name] = read
    }
    return json
  }

  /** Undefined: the value is reported. */
  function readLeaf(field: DescField, { node, path }: Place): JsonValue | undefined {
    const leaf = leafOf(field)
    if (!leaf) return isNode(node) ? (node.toJS(doc) as JsonValue) : undefined
    if (expanded.get(node)?.reported) return undefined
    const value = isScalar(node) ? node.value : undefined
    const json = typeof value === 'string' && expanded.has(node) ? leaf.fromText(value) : value
    if (leaf.accepts(json)) return json
    report(path, `found ${inWords(node, field)}, allowed is ${leaf.allowed}`)
    return undefined
  }
}

/** Whether the values of a map have settings of their own. */
function isPart(field: DescField): field is DescField & { message: DescMessage } {
  return field.message !== undefined && !isDuration(field)
}

/** The node that an alias stands for, or the node itself. */
function followed(doc: Yaml['doc'], node: unknown): unknown {
  return isAlias(node) ? node.resolve(doc) : node
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

/** The value in the file, in words for messages. A secret `field` is not shown. */
function inWords(node: unknown, field?: DescField): string {
  if (isMap(node)) return 'a mapping'
  if (isSeq(node)) return 'a list'
  if (!isScalar(node) || node.value === null) return 'nothing'
  if (field && isSecret(field)) return 'something else'
  const { value, source = '' } = node
  return typeof value === 'string' ? `the text ${JSON.stringify(value)}` : source
}
