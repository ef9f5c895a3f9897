import { Readable } from 'node:stream'
import type { Message } from '@bufbuild/protobuf'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { decodingTurn } from '../../call/message/decoding-turn.ts'
import { streamOf } from '../../call/stream.ts'
import { placed } from '../errors.ts'
import { type BodyTypes, lineTypes } from '../media-type.ts'
import type { RestSettings } from '../options.ts'
import type { Binder } from '../request/bind.ts'
import { codingOf, decompressed } from '../request/decompress.ts'
import { applyPreconditions } from '../request/preconditions.ts'
import {
  formOf,
  isBodyIgnored,
  mayHaveBody,
  noBody,
  rawBody,
  receivedBody,
  refuseByForm,
} from '../request/read-body.ts'
import { splitUrl } from '../request/split-url.ts'
import type { SystemParameters } from '../request/system-parameters.ts'
import type { HttpBinding } from '../route/rules.ts'
import { fillBody, requestBodyPath } from './http-body.ts'
import { lineSplitter, type Splitter, valueSplitter } from './split.ts'
import { uploadedBytes, withoutMark } from './upload.ts'

/** A request as it is given to its method. */
export interface ReadRequest {
  messages: AsyncIterable<Message>
  /** The message of a method that takes one. */
  only?: Message
  system: SystemParameters
  /** Maps a field path in proto names to the name that this client sent. */
  sent: (field: string) => string
  /** Whether the method has to check a condition, such as If-Match. */
  isConditional?: boolean
}

/** Everything that a request is read by. */
interface Reading {
  binding: HttpBinding
  bind: Binder
  etag: Parameters<typeof applyPreconditions>[0]
  types: BodyTypes
  settings: RestSettings
}

/** Reads the head of a request, and its body if that is one message. Throws a refusal. */
type RequestReader = (
  request: FastifyRequest,
  reply: FastifyReply,
  values: readonly string[],
) => Promise<ReadRequest>

/** The reader for the kind of requests that a binding has. */
export function requestReader(reading: Reading): RequestReader {
  const { binding } = reading
  const streams = binding.method.methodKind === 'client_streaming'
  if (requestBodyPath(binding)) return streams ? bytesStream(reading) : bytesOnce(reading)
  return streams && binding.body !== '' ? messageStream(reading) : messageOnce(reading)
}

function messageOnce({ binding, bind, etag, types, settings }: Reading): RequestReader {
  return async function read(request, reply, values) {
    const isIgnored = isBodyIgnored(request, binding)
    if (!isIgnored) refuseByForm(request, types)
    const { bytes: body, format } =
      isIgnored || !mayHaveBody(request)
        ? noBody
        : await receivedBody(request, reply, settings.bodyLimit, types)
    const { message, system, sent } = bind({ values, query: splitUrl(request)[1], body, format })
    const isConditional = applyPreconditions(etag, message, request)
    return { messages: streamOf(message), only: message, system, sent, isConditional }
  }
}

/** Binds what the head of a request has. */
function boundHead({ bind }: Reading, request: FastifyRequest, values: readonly string[]) {
  const { format, bytes: body } = noBody
  return bind({ values, query: splitUrl(request)[1], body, format })
}

function bytesOnce(reading: Reading): RequestReader {
  const path = requestBodyPath(reading.binding) ?? []
  const { bodyLimit } = reading.settings
  return async function read(request, reply, values) {
    const { message, system, sent } = boundHead(reading, request, values)
    const isConditional = applyPreconditions(reading.etag, message, request)
    const coding = codingOf(request.headers['content-encoding'])
    const raw = mayHaveBody(request) ? await rawBody(request, reply, bodyLimit) : noBody.bytes
    const data = raw.byteLength === 0 ? raw : await decompressed(raw, coding, bodyLimit)
    fillBody(message, path, { contentType: typeOf(request), data })
    return { messages: streamOf(message), only: message, system, sent, isConditional }
  }
}

/** Each part of the body is a message; where one part ends means nothing. */
function bytesStream(reading: Reading): RequestReader {
  const path = requestBodyPath(reading.binding) ?? []
  return async function read(request, reply, values) {
    const { system, sent } = boundHead(reading, request, values)
    const contentType = typeOf(request)
    const chunks = uploadOf(reading, request, reply)
    function messageOf(data: Uint8Array): Message {
      const { message } = boundHead(reading, request, values)
      fillBody(message, path, { contentType, data })
      return message
    }
    async function* messages() {
      let isEmpty = true
      for await (const data of chunks) {
        isEmpty = false
        yield messageOf(data)
      }
      // The path may name what is empty.
      if (isEmpty) yield messageOf(noBody.bytes)
    }
    return { messages: messages(), system, sent }
  }
}

/** Path and query fill each message of the body. */
function messageStream(reading: Reading): RequestReader {
  const { bind, types, settings } = reading
  return async function read(request, reply, values) {
    const head = boundHead(reading, request, values)
    if (mayHaveBody(request)) formOf(request, types)
    const splitter = splitterOf(request, settings.bodyLimit)
    const chunks = withoutMark(uploadOf(reading, request, reply))
    const query = splitUrl(request)[1]
    let { sent } = head
    function messageOf(body: Uint8Array): Message {
      try {
        const bound = bind({ values, query, body, format: 'json' })
        sent = bound.sent
        return bound.message
      } catch (err) {
        throw placed(err, splitter.place())
      }
    }
    async function decoded(body: Uint8Array): Promise<Message> {
      await decodingTurn(body)
      return messageOf(body)
    }
    async function* messages() {
      for await (const chunk of chunks)
        for (const body of splitter.push(chunk)) yield await decoded(body)
      for (const body of splitter.end()) yield await decoded(body)
    }
    return { messages: messages(), system: head.system, sent: (field) => sent(field) }
  }
}

function uploadOf(
  { settings }: Reading,
  request: FastifyRequest,
  reply: FastifyReply,
): AsyncIterable<Uint8Array> {
  if (!mayHaveBody(request)) return Readable.from([])
  const { uploadLimit: maxBytes, uploadIdleMs: idleMs } = settings
  return uploadedBytes(request, reply, { maxBytes, idleMs })
}

/** Lines may be told by their content type only: JSON may have line breaks in a message, too. */
function splitterOf(request: FastifyRequest, maxBytes: number): Splitter {
  const [type = ''] = typeOf(request).split(';', 1)
  const isLines = lineTypes.includes(type.trim().toLowerCase())
  return isLines ? lineSplitter(maxBytes) : valueSplitter(maxBytes)
}

function typeOf({ headers }: FastifyRequest): string {
  return headers['content-type'] ?? ''
}
