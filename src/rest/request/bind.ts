import { create } from '@bufbuild/protobuf'
import type { DescField, DescMessage, JsonValue, Message } from '@bufbuild/protobuf'
import { readField, readMessage, sentInJson } from './body.ts'
import { jsonText, malformedBody, type ReadOptions } from '../../call/message/json-message.ts'
import { fieldNamed } from '../../call/message/field-named.ts'
import { invalidParameters, unsupportedMediaType } from '../errors.ts'
import { getField, hasFields, protoPath, resolvePath, rivalOf, setField } from '../field-path.ts'
import type { BodyFormat } from '../media-type.ts'
import { bodyTypes } from './body-types.ts'
import {
  bindParameters,
  type BrokenRules,
  type ParameterOptions,
  refuse,
  same,
} from './parameters.ts'
import { parseQuery } from './query.ts'
import type { HttpBinding } from '../route/rules.ts'
import { InvalidText } from './scalar-text.ts'
import {
  type ChosenAnswer,
  noSystemParameters,
  type SystemParameters,
} from './system-parameters.ts'
import { derivedMask, deriveMask, jsonPaths, mergePatchPaths, needsMask } from './update-mask.ts'
import { parseText } from './value.ts'

/** How a request is bound: the options of parameters, and those of JSON bodies. */
export interface BindOptions extends ParameterOptions {
  json: ReadOptions
}

/** The parts of a request that fill its message. */
interface RequestParts {
  /** The decoded values of the template's variables, in the order of the variables. */
  values: readonly string[]
  /** The raw query string, without the question mark. */
  query: string
  body: Uint8Array
  format: BodyFormat
}

/** A bound request: its message, and the names under which the client sent the fields. */
interface BoundRequest {
  message: Message
  system: SystemParameters
  /** Maps a field path of the message (proto names) to the name that the client sent. */
  readonly sent: (path: string) => string
}

/**
 * Binds a request. Throws a refusal that names the parameters or the part of the body that are
 * wrong.
 */
export type Binder = (parts: RequestParts) => BoundRequest

/** A variable of the template and the field that it fills. */
interface Variable {
  name: string
  path: DescField[]
  field: DescField
}

/** A message filled from the body alone. */
interface ReadBody {
  message: Message
  /** For a form, the key under which each field was sent, by its proto path inside the body. */
  formKeys: Map<string, string> | undefined
}

/**
 * Compiles the binder of a method: it fills the request message from body, path and query, in that
 * order.
 */
export function compileBinder(binding: HttpBinding, options: BindOptions): Binder {
  const { method, template, body } = binding
  const { input } = method
  const variables = template.variables.map(({ name }): Variable => {
    const path = resolvePath(input, name) ?? []
    return { name, path, field: path.at(-1) as DescField }
  })
  const bound = new Set(variables.map(({ path }) => protoPath(path)))
  const mask = derivedMask(binding)
  const answer = chosenAnswer(binding)
  const readBody = compileBody(binding, options)

  function bindPath(message: Message, values: readonly string[], rules: BrokenRules): void {
    for (let index = 0; index < variables.length; index += 1) {
      const { name, path, field } = variables[index] as Variable
      const rival = body === '' ? undefined : rivalOf(message, path)
      if (rival !== undefined) refuse(rules, name, `cannot be given together with ${rival}`)
      try {
        const value = parseText(field, values[index] ?? '', options)
        if (body !== '' && options.conflicts === 'refuse' && rival === undefined)
          if (conflicts(field, getField(message, path), value))
            refuse(rules, name, 'has another value in the body than in the path')
        setField(message, path, value)
      } catch (err) {
        if (!(err instanceof InvalidText)) throw err
        refuse(rules, name, err.message)
      }
    }
  }

  return function bind({ values, query, body: bytes, format }) {
    const text = bytes.byteLength === 0 ? '' : jsonText(bytes)
    const json = parsedOnce(text)
    const rules: BrokenRules = new Map()
    const { message, formKeys } = readBody(text, format, rules)
    bindPath(message, values, rules)
    const into = query === '' ? noSystemParameters : { ...noSystemParameters }
    const target = { desc: input, message, closed: body, bound, system: { into, answer } }
    const queryKeys =
      query === '' ? undefined : bindParameters(target, parseQuery(query), options, rules)
    if (rules.size > 0) throw invalidParameters(Object.fromEntries(rules))
    if (mask && needsMask(mask, format)) {
      const paths = format === 'merge-patch' ? mergePatchPaths : jsonPaths
      deriveMask(mask, message, () => (formKeys ? [...formKeys.keys()] : paths(mask.about, text)))
    }
    return {
      message,
      system: into,
      sent: (path) =>
        sentInKeys(queryKeys, path) ??
        (bound.has(path) ? path : sentInBody({ input, body, json, formKeys }, path)),
    }
  }
}

/** The answer's body holds the reply, or the field that response_body names. */
function chosenAnswer({ method, responseBody }: HttpBinding): ChosenAnswer {
  const { output } = method
  return {
    message: responseBody === '' ? output : fieldNamed(output, responseBody)?.message,
    streams: method.methodKind === 'server_streaming',
  }
}

const emptyObject = /^[ \t\r\n]*\{[ \t\r\n]*\}[ \t\r\n]*$/

/**
 * Whether a body counts as absent. google-gax sends `""` in place of no body: it counts as absent if
 * the method takes no body, or a field whose JSON is an object. Other clients send `{}` with every
 * POST, so it counts as absent if the method takes no body.
 */
function isNothing(text: string, body: string, field: DescField | undefined): boolean {
  if (text === '' || (body === '' && emptyObject.test(text))) return true
  if (text !== '""' || body === '*') return false
  return body === '' || (field?.fieldKind === 'message' && hasFields(field.message))
}

function compileBody(binding: HttpBinding, options: BindOptions) {
  const { body } = binding
  const { input } = binding.method
  const field = fieldNamed(input, body)
  const about = body === '*' ? input : field?.fieldKind === 'message' ? field.message : undefined

  function readForm(text: string, rules: BrokenRules): ReadBody {
    if (about === undefined) throw unsupportedMediaType('a form', bodyTypes(binding))
    if (text.trimStart().startsWith('{')) throw malformedBody(jsonAsForm)
    const nested = create(about)
    const target = { desc: about, message: nested, closed: '', bound: new Set<string>() }
    const formKeys = bindParameters(target, parseQuery(text), options, rules)
    if (body === '*') return { message: nested, formKeys }
    const message = create(input)
    if (field) setField(message, [field], nested)
    return { message, formKeys }
  }

  return function readBody(text: string, format: BodyFormat, rules: BrokenRules): ReadBody {
    if (isNothing(text, body, field)) return { message: create(input), formKeys: undefined }
    if (body === '') throw malformedBody('this method takes no body')
    if (format === 'form') return readForm(text, rules)
    const read = body === '*' ? readMessage(input, text, options.json) : undefined
    const message = read ?? readField(input, body, text, options.json)
    return { message, formKeys: undefined }
  }
}

/** The form that `curl -d '{}'` sends without a header. No field has such a name. */
const jsonAsForm =
  'the body looks like JSON, but its content type is application/x-www-form-urlencoded; send JSON with Content-Type: application/json'

/**
 * Whether a field has another value in the body than in the path. A default value in the body is
 * none.
 */
function conflicts(field: DescField, inBody: unknown, inPath: unknown): boolean {
  const empty = inBody instanceof Uint8Array && inBody.byteLength === 0
  const silent = [undefined, '', 0, 0n, false].includes(inBody as undefined) || empty
  return !silent && !same(field, inBody, inPath)
}

/**
 * Parses a body at first use and once, since an error may name many fields. Undefined for an empty
 * body.
 */
function parsedOnce(text: string): () => JsonValue | undefined {
  let json: JsonValue | undefined
  return () => (json ??= text === '' ? undefined : (JSON.parse(text) as JsonValue))
}

interface SentBody {
  input: DescMessage
  body: string
  json: () => JsonValue | undefined
  formKeys: ReadonlyMap<string, string> | undefined
}

/**
 * The name under which the body had the field at a proto path; the path itself if that is unknown.
 */
function sentInBody({ input, body, json, formKeys }: SentBody, path: string): string {
  // The body is a list or a map.
  if (path.startsWith(`${body}[`)) return sentInJson(input, { [body]: json() ?? null }, path)
  const prefix = body === '*' ? '' : `${body}.`
  if (!path.startsWith(prefix)) return path
  const inner = path.slice(prefix.length)
  if (formKeys) return sentInKeys(formKeys, inner) ?? inner
  const value = json()
  const about = body === '*' ? input : fieldNamed(input, body)?.message
  return about && value !== undefined ? sentInJson(about, value, inner) : path
}

/** The key of a query or form for the field at a proto path, or for an element or entry of it. */
function sentInKeys(keys: ReadonlyMap<string, string> | undefined, path: string) {
  const [name = '', subscript] = path.split(/(?=\[)/, 2)
  const key = keys?.get(name)
  return subscript === undefined ? key : key && key.replace(/\[.*/s, '') + path.slice(name.length)
}
