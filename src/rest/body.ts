import { fromJson, fromJsonString } from '@bufbuild/protobuf'
import type { DescMessage, JsonObject, JsonValue, Message } from '@bufbuild/protobuf'
import { isFieldError } from '@bufbuild/protobuf/reflect'
import {
  acceptedTypes,
  malformedBody,
  unsupportedEncoding,
  unsupportedMediaType,
} from './errors.ts'
import { resolvePath, setField } from './field-path.ts'
import { quoteUnsafeIntegers } from './json.ts'

const mediaType = /^\s*application\/(?:json|protojson|[^\s;/]+\+json)\s*(?:;(.*))?$/i
const charset = /(?:^|;)\s*charset\s*=\s*"?([^";\s]+)/i

// As Connect: a client that knows newer fields is served.
const readOptions = { ignoreUnknownFields: true }

/** Refuses a body that is not JSON in UTF-8 by its headers, or is compressed. */
export function checkContentType(
  contentType: string | undefined,
  contentEncoding: string | undefined,
): void {
  if (contentEncoding !== undefined && contentEncoding.toLowerCase() !== 'identity')
    throw unsupportedEncoding(contentEncoding)
  const match = mediaType.exec(contentType ?? '')
  const given = charset.exec(match?.[1] ?? '')?.[1] ?? 'utf-8'
  if (match === null || !/^utf-?8$/i.test(given))
    throw unsupportedMediaType(contentType ?? '', acceptedTypes)
}

/** Decodes UTF-8, which RFC 8259 requires. */
export function bodyText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw malformedBody('the body is not UTF-8', { cause })
  }
}

/** Reads the JSON of a whole message; an empty text is the empty message. */
export function readMessage(desc: DescMessage, text: string): Message {
  return reading(() => fromJsonString(desc, quoteUnsafeIntegers(text) || '{}', readOptions))
}

/** Reads JSON as one top-level field of a message, of whatever type that field is. */
export function readField(desc: DescMessage, name: string, text: string): Message {
  const path = resolvePath(desc, name)
  const [field] = path ?? []
  if (path === undefined || field === undefined || text === '' || text.trim() === 'null')
    return fromJson(desc, {})
  if (field.fieldKind === 'message') {
    const message = fromJson(desc, {})
    setField(message, path, readMessage(field.message, text))
    return message
  }
  return reading(() => {
    const value: JsonValue = JSON.parse(quoteUnsafeIntegers(text))
    return fromJson(desc, { [field.jsonName]: value } satisfies JsonObject, readOptions)
  })
}

function reading<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause)
    throw malformedBody(message, { cause, metadata: fieldAtFault(cause) })
  }
}

/** The field whose JSON or binary form protobuf could not read, with what it found there. */
export function fieldAtFault(err: unknown): Record<string, string> {
  const fault = err instanceof Error ? err.cause : undefined
  if (!isFieldError(fault)) return {}
  return { [fault.field().name]: fault.message }
}

/** The name under which JSON gives the field at a path: its JSON name or its proto name. */
export function sentInJson(desc: DescMessage, text: string, path: string): string {
  const fields = resolvePath(desc, path)
  if (fields === undefined) return path
  let value: unknown = JSON.parse(text || '{}')
  const names = fields.map(({ name, jsonName }) => {
    const given = isObject(value) && jsonName in value ? jsonName : name
    value = isObject(value) ? value[given] : undefined
    return given
  })
  return names.join('.')
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
