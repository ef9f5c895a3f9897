import { create } from '@bufbuild/protobuf'
import type { DescField, DescMessage, Message } from '@bufbuild/protobuf'
import { bodyText, readField, readMessage, sentInJson } from './body.ts'
import { invalidParameters, malformedBody } from './errors.ts'
import { getField, protoPath, resolvePath, rivalOf, setField } from './field-path.ts'
import { nearest } from './nearest.ts'
import { parseQuery, type QueryParameter } from './query.ts'
import type { HttpBinding } from './rules.ts'
import { InvalidText, isTextField, parseText } from './value.ts'

/** What a request carries besides its method. */
export interface RequestParts {
  /** Decoded values of the template's variables, in their order. */
  values: readonly string[]
  /** The raw query string, without the question mark. */
  query: string
  body: Uint8Array
}

/** A request message, and the names under which the client sent its fields. */
export interface BoundRequest {
  message: Message
  /** Gives a field path of the message (proto names) as this client spelled it. */
  readonly sent: (path: string) => string
}

export type Binder = (parts: RequestParts) => BoundRequest

/** Prepares the filling of a method's request message from body, path and query, in that order. */
export function compileBinder({ method, template, body }: HttpBinding): Binder {
  const { input } = method
  const variables = template.variables.map(({ name }) => ({
    name,
    path: resolvePath(input, name) ?? [],
  }))

  return function bind(parts) {
    const text = bodyText(parts.body)
    const message = readBody(input, body, text)
    const rules = new Map<string, string>()
    for (const [index, { name, path }] of variables.entries()) {
      const value = parse(path, parts.values[index] ?? '', name, rules)
      if (value === undefined) continue
      if (conflicts(getField(message, path), value))
        refuse(rules, name, 'has another value in the body than in the path')
      setField(message, path, value)
    }
    const bound = new Set(variables.map(({ path }) => protoPath(path)))
    const sentKeys = bindQuery(input, body, message, parseQuery(parts.query), bound, rules)
    if (rules.size > 0) throw invalidParameters(Object.fromEntries(rules))
    return {
      message,
      sent: (path) =>
        sentKeys.get(path) ?? (bound.has(path) ? path : sentInBody(input, body, text, path)),
    }
  }
}

/** Rules by parameter; the first that a parameter breaks is the one to tell. */
type BrokenRules = Map<string, string>

function refuse(rules: BrokenRules, name: string, rule: string): void {
  if (!rules.has(name)) rules.set(name, rule)
}

function readBody(input: DescMessage, body: string, text: string): Message {
  if (body === '*') return readMessage(input, text)
  if (body !== '') return readField(input, body, text)
  if (text !== '') throw malformedBody('this method takes no body')
  return create(input)
}

function parse(path: DescField[], text: string, name: string, rules: BrokenRules): unknown {
  const field = path.at(-1)
  try {
    return field && parseText(field, text)
  } catch (err) {
    if (!(err instanceof InvalidText)) throw err
    refuse(rules, name, err.message)
    return undefined
  }
}

/** Binds the query and gives the key under which each field was sent, by proto path. */
function bindQuery(
  input: DescMessage,
  body: string,
  message: Message,
  parameters: readonly QueryParameter[],
  inPath: ReadonlySet<string>,
  rules: BrokenRules,
): Map<string, string> {
  const sentKeys = new Map<string, string>()
  for (const { key, value: text } of parameters) {
    const path = queryPath(input, body, key)
    if (path === undefined) {
      refuse(rules, key, unknownParameter(input, body, key))
      continue
    }
    const name = protoPath(path)
    if (sentKeys.has(name) && path.at(-1)?.fieldKind !== 'list')
      refuse(rules, key, 'is given more than once')
    sentKeys.set(name, key)
    const rival = rivalOf(message, path)
    if (rival !== undefined) refuse(rules, key, `cannot be given together with ${rival}`)
    const value = parse(path, text, key, rules)
    if (value === undefined) continue
    if (inPath.has(name) && !same(getField(message, path), value))
      refuse(rules, key, 'has another value in the query than in the path')
    else setField(message, path, value)
  }
  return sentKeys
}

/** The field that a query key names: one that a text can fill and that the body does not own. */
function queryPath(input: DescMessage, body: string, key: string): DescField[] | undefined {
  const path = body === '*' ? undefined : resolvePath(input, key)
  const field = path?.at(-1)
  if (!path || !field || !isTextField(field)) return undefined
  return body !== '' && path[0]?.name === body ? undefined : path
}

function unknownParameter(input: DescMessage, body: string, key: string): string {
  if (body === '*') return 'is not known: this method takes its fields from the body'
  const names = input.fields
    .filter((field) => isTextField(field) && field.name !== body)
    .map(({ name }) => name)
  const meant = nearest(key, names)
  return `is not known${meant ? `; did you mean ${meant}?` : ''}; allowed are ${names.join(', ')}`
}

/** The path wins over a body that says the same or nothing. */
function conflicts(inBody: unknown, inPath: unknown): boolean {
  const silent =
    inBody === undefined || inBody === '' || inBody === 0 || inBody === 0n || inBody === false
  return !silent && !same(inBody, inPath)
}

function same(one: unknown, other: unknown): boolean {
  if (one instanceof Uint8Array && other instanceof Uint8Array)
    return Buffer.compare(one, other) === 0
  return Object.is(one, other)
}

function sentInBody(input: DescMessage, body: string, text: string, path: string): string {
  if (body === '*') return sentInJson(input, text, path)
  const field = input.fields.find(({ name }) => name === body)
  if (!field?.message || !path.startsWith(`${body}.`)) return path
  return sentInJson(field.message, text, path.slice(body.length + 1))
}
