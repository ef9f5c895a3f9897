import {
  type DescMessage,
  fromJson,
  type JsonReadOptions,
  type JsonValue,
  type Message,
} from '@bufbuild/protobuf'
import { Code, ConnectError } from '@connectrpc/connect'
import { fieldAtFault } from './field-at-fault.ts'
import { type ExactJson, isTooDeep, maxJsonDepth, parseExact, repeatedName } from './json.ts'
import { fieldsFromJson } from './json-fields.ts'
import { InvalidJson } from './json-scalar.ts'
import { refusal, type RefusalDetails } from '../refusal.ts'

/** protobuf's own options. */
export type ReadOptions = Partial<JsonReadOptions>

/** Makes the refusal of a body that cannot be read. */
export function malformedBody(
  message: string,
  init?: Pick<RefusalDetails, 'metadata' | 'cause'>,
): ConnectError {
  return refusal(Code.InvalidArgument, 'MALFORMED_BODY', message, init)
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Decodes UTF-8, which RFC 8259 requires. Throws MALFORMED_BODY. */
export function jsonText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw malformedBody('the body is not UTF-8', { cause })
  }
}

/** Reads the JSON of a message, of all ports and in all their encodings. Throws MALFORMED_BODY. */
export function messageFromJson(desc: DescMessage, text: string, options: ReadOptions): Message {
  return reading(() => fromJson(desc, exactValue(desc, text, options) as JsonValue, options))
}

/**
 * The JSON of a message with its 64-bit integers in quotes, for readers that round bare numbers. Throws
 * MALFORMED_BODY for a text that `messageFromJson` refuses.
 */
export function quotedIntegers(desc: DescMessage, text: string, options: ReadOptions): string {
  return reading(() => {
    const json = exactValue(desc, text, options)
    // The message is not needed, but errors of the JSON must be found here.
    fromJson(desc, json as JsonValue, options)
    return JSON.stringify(json, (_name, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value,
    )
  })
}

function exactValue(desc: DescMessage, text: string, options: ReadOptions): ExactJson {
  if (isTooDeep(text)) throw tooDeep()
  const json = parsed(text)
  const twice = repeatedName(text)
  if (twice !== undefined)
    throw malformedBody(`the JSON has the name ${JSON.stringify(twice)} twice`)
  return fieldsFromJson(desc, json, options)
}

function tooDeep(): ConnectError {
  return malformedBody(`the JSON has more than ${maxJsonDepth} levels`)
}

function parsed(text: string): ExactJson {
  try {
    return parseExact(text)
  } catch (cause) {
    if (cause instanceof RangeError) throw tooDeep()
    throw notJson(cause)
  }
}

/** The refusal of a text that JSON.parse rejects with `cause`. */
export function notJson(cause: unknown): ConnectError {
  return malformedBody(`the body is not JSON: ${messageOf(cause)}`, { cause })
}

function reading<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof ConnectError) throw cause
    const fault = cause instanceof InvalidJson ? ruleOf(cause) : fieldAtFault(cause)
    const [broken] = Object.entries(fault)
    throw malformedBody(broken ? broken.join(': ') : messageOf(cause), { cause, metadata: fault })
  }
}

function ruleOf({ path, rule }: InvalidJson): Record<string, string> {
  return path === '' ? {} : { [path]: rule }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
