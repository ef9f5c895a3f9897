import {
  type DescField,
  type DescMessage,
  type DescMethod,
  type JsonObject,
  type JsonValue,
  type Message,
  type Registry,
  ScalarType,
  toJson,
} from '@bufbuild/protobuf'
import { FeatureSet_FieldPresence } from '@bufbuild/protobuf/wkt'
import { Code, ConnectError } from '@connectrpc/connect'
import { fieldNamed } from '../../call/message/field-named.ts'
import { resolvePath } from '../../rest/field-path.ts'
import { type HttpBinding, httpBindings } from '../../rest/route/rules.ts'
import { isObject } from '../../text/json-object.ts'
import { rawPath } from './path.ts'
import { queryOf, unicode, unsendable } from './query.ts'

/** One binding of a method, seen from the side of a client. */
export interface ClientRoute {
  binding: HttpBinding
  /** The fields that the template's variables are filled from, each by its path. */
  variables: readonly (readonly DescField[])[]
  bodyField: DescField | undefined
  responseField: DescField | undefined
}

/** The parts of an HTTP request that carry the message of a call. */
export interface RestRequest {
  route: ClientRoute
  httpMethod: string
  /** The raw path, and the query if there is one. */
  target: string
  /** JSON; '' if the rule has a body but its field is not set, undefined if it has none. */
  body: string | undefined
}

const known = new WeakMap<DescMethod, readonly ClientRoute[]>()

/**
 * The bindings of a method, in the order of its google.api.http rule. Throws unimplemented for a
 * method without a rule, and for one with google.api.HttpBody, whose bytes are no JSON.
 */
export function clientRoutes(method: DescMethod): readonly ClientRoute[] {
  const compiled = known.get(method)
  if (compiled) return compiled
  const routes = httpBindings(method).map(clientRoute)
  const name = `${method.parent.typeName}.${method.name}`
  if (hasHttpBody(method.input) || hasHttpBody(method.output))
    throw new ConnectError(`${name} takes or gives ${httpBody}`, Code.Unimplemented)
  if (routes.length === 0)
    throw new ConnectError(`${name} has no google.api.http rule`, Code.Unimplemented)
  known.set(method, routes)
  return routes
}

const httpBody = 'google.api.HttpBody'

function hasHttpBody({ typeName, fields }: DescMessage): boolean {
  return typeName === httpBody || fields.some(({ message }) => message?.typeName === httpBody)
}

function clientRoute(binding: HttpBinding): ClientRoute {
  const { method, template, body, responseBody } = binding
  return {
    binding,
    variables: template.variables.map(({ name }) => resolvePath(method.input, name) ?? []),
    bodyField: fieldNamed(method.input, body),
    responseField: fieldNamed(method.output, responseBody),
  }
}

/**
 * Builds the request of a message by the first binding whose path variables are all set; if there
 * is none, by the first whose variables have a text, such as 0. Throws invalid_argument for a
 * message that no binding can carry.
 */
export function buildRequest(
  routes: readonly ClientRoute[],
  message: Message,
  registry?: Registry,
): RestRequest {
  const { route, path, json } = chosen(routes, message, registry)
  const { binding, bodyField } = route
  for (const variable of route.variables) removeLeaf(json, variable)
  const httpMethod = methodOf(binding)
  if (binding.body === '*') return { route, httpMethod, target: path, body: JSON.stringify(json) }
  const body = bodyField && fieldBody(json, bodyField)
  const query = queryOf(binding.method.input, json)
  return { route, httpMethod, target: query === '' ? path : `${path}?${query}`, body }
}

/** A rule for any method leaves the choice to the client. */
function methodOf({ httpMethod, body }: HttpBinding): string {
  if (httpMethod !== '*') return httpMethod
  return body === '' ? 'GET' : 'POST'
}

function fieldBody(json: JsonObject, { jsonName }: DescField): string {
  const value = json[jsonName]
  delete json[jsonName]
  return value === undefined ? '' : JSON.stringify(value)
}

interface Choice {
  route: ClientRoute
  path: string
  json: JsonObject
}

function chosen(routes: readonly ClientRoute[], message: Message, registry?: Registry): Choice {
  const json = messageJson(routes, message, registry)
  let other: Choice | undefined
  for (const route of routes) {
    const leaves = route.variables.map((path) => leafOf(json, path))
    const texts = route.variables.map((path, at) => textOf(path, leaves[at]))
    const path = rawPath(route.binding.template, texts)
    if (path === undefined) continue
    if (leaves.every((leaf) => leaf !== undefined)) return { route, path, json }
    other ??= { route, path, json }
  }
  if (other) return other
  throw unroutable(routes)
}

function messageJson(
  routes: readonly ClientRoute[],
  message: Message,
  registry?: Registry,
): JsonObject {
  const input = routes[0]?.binding.method.input
  if (input === undefined) return {}
  try {
    return toJson(input, message, registry ? { registry } : undefined) as JsonObject
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause)
    const told = `${input.typeName} has no JSON form: ${problem}`
    throw new ConnectError(told, Code.InvalidArgument, undefined, undefined, cause)
  }
}

function leafOf(json: JsonObject, path: readonly DescField[]): JsonValue | undefined {
  let value: JsonValue | undefined = json
  for (const { jsonName } of path) value = isObject(value) ? value[jsonName] : undefined
  return value
}

function removeLeaf(json: JsonObject, path: readonly DescField[]): void {
  const owner = leafOf(json, path.slice(0, -1))
  const field = path.at(-1)
  if (field && isObject(owner)) delete owner[field.jsonName]
}

/** The text of a path variable; of a field that JSON leaves out, that of its default value. */
function textOf(path: readonly DescField[], leaf: JsonValue | undefined): string {
  const field = path.at(-1)
  if (typeof leaf === 'string') return unicode(leaf, nameOf(path))
  if (leaf !== undefined) return JSON.stringify(leaf)
  if (field?.presence !== FeatureSet_FieldPresence.IMPLICIT) return ''
  if (field.enum) return field.enum.values[0]?.name ?? ''
  if (field.scalar === ScalarType.STRING || field.scalar === ScalarType.BYTES) return ''
  return field.scalar === ScalarType.BOOL ? 'false' : '0'
}

function nameOf(path: readonly DescField[]): string {
  return path.map(({ jsonName }) => jsonName).join('.')
}

function unroutable(routes: readonly ClientRoute[]): ConnectError {
  const templates = routes.map(({ binding }) => binding.template.source).join(', ')
  const names = [...new Set(routes.flatMap(({ variables }) => variables.map(nameOf)))].join(', ')
  return unsendable(names, `must be set, and of the form that the path has: ${templates}`)
}
