import {
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerResponse,
  validateHeaderValue,
} from 'node:http'
import type { ConnectError } from '@connectrpc/connect'
import {
  compressedFlag,
  type Compression,
  compressionNegotiate,
  encodeEnvelope,
  mergeNonProtocolHeaders,
} from '@connectrpc/connect/protocol'
import { errorToJsonBytes, trailerMux } from '@connectrpc/connect/protocol-connect'
import { grpcStatusOk } from '@connectrpc/connect/protocol-grpc'
import { trailerFlag, trailerSerialize } from '@connectrpc/connect/protocol-grpc-web'
import type { JsonWriteOptions } from '@bufbuild/protobuf'
import type { UnaryCall } from '../../call/context.ts'
import { setGrpcStatus } from '../../call/grpc-status.ts'
import { mayLeave } from '../../call/headers.ts'
import { statusOf } from '../../call/status.ts'
import { timeoutMs } from '../../call/timeout.ts'
import type { Response } from '../exchange/exchange.ts'
import { type Protocol, protocolOf } from '../exchange/protocol.ts'
import { compressions } from './compressions.ts'
import { encoded, inText, textAnswerType, textTypes } from './grpc-web-text.ts'
import { type MessageBody, onlyMessage } from '../../call/read-body.ts'

/** One protocol in one encoding of messages, as a content type names it. */
export interface UnaryProtocol extends MessageBody {
  readonly name: Protocol
  /** Whether messages are binary; else they are JSON. */
  readonly binary: boolean
  /** The client's timeout in milliseconds. Undefined for none, null for one that is malformed. */
  timeoutMs(headers: IncomingHttpHeaders): number | undefined | null
  /** Whether the request is not compressed. */
  isPlain(headers: IncomingHttpHeaders): boolean
  /** The compression of the answer: the one that the client prefers, else the one of its request. */
  codingOf(headers: IncomingHttpHeaders): Compression | undefined
  /** The answer to a call that has succeeded. Throws for a header that HTTP cannot send. */
  answer(call: UnaryCall, message: Uint8Array, coding?: Compression): Promise<Written>
  /** The answer to a call that has failed. Throws for a header that HTTP cannot send. */
  failure(set: SetFields, error: ConnectError, coding?: Compression): Promise<Written>
}

/** A whole answer as it is on the wire. */
export interface Written {
  status: number
  headers: OutgoingHttpHeaders
  body?: Uint8Array | undefined
  trailers?: OutgoingHttpHeaders
}

/** The headers and trailers that the handler of a call has set. */
type SetFields = Pick<UnaryCall, 'answerHeaders' | 'answerTrailers'>

/** The fields of a call that has reached no handler. */
export const nothingSet: SetFields = { answerHeaders: undefined, answerTrailers: undefined }

/** Smaller messages are not compressed: Connect's default. */
const compressFromBytes = 1024
const envelopeHeadBytes = 5

/** The protocols by content type, as clients spell it. `json` has the options for details of errors. */
export function unaryProtocols(json: Partial<JsonWriteOptions> | undefined) {
  const all = new Map<string, UnaryProtocol>()
  for (const type of ['application/json', 'application/json; charset=utf-8'])
    all.set(type, connect('application/json', false, json))
  all.set('application/proto', connect('application/proto', true, json))
  for (const protocol of ['grpc', 'grpc-web'] as const) {
    const type = `application/${protocol}`
    all.set(type, enveloped(protocol, `${type}+proto`, true))
    all.set(`${type}+proto`, enveloped(protocol, `${type}+proto`, true))
    all.set(`${type}+json`, enveloped(protocol, `${type}+json`, false))
  }
  for (const type of textTypes)
    all.set(type, { ...enveloped('grpc-web-text', textAnswerType, true), ...inText(envelopes) })
  return all
}

function connect(
  type: string,
  binary: boolean,
  json: Partial<JsonWriteOptions> | undefined,
): UnaryProtocol {
  return {
    name: 'connect',
    binary,
    timeoutMs: (headers) => timeoutMs('connect-timeout-ms', headers),
    isPlain: ({ 'content-encoding': coding = 'identity' }) => coding === 'identity',
    codingOf: ({ 'accept-encoding': accepted, 'content-encoding': sent }) =>
      accepts(accepted ?? sent),
    ...onlyMessage,
    messageOf: (body) => body,
    answer(call, body, coding) {
      const headers = fieldsOf(connectHeaders(call))
      headers['content-type'] = type
      return compressed({ status: 200, headers, body }, coding)
    },
    failure(call, error, coding) {
      const fields = connectHeaders(call) ?? new Headers()
      // The headers of an error from another service are not passed on.
      if (!error.isWireError) mergeNonProtocolHeaders(fields, error.metadata)
      const headers = fieldsOf(fields)
      headers['content-type'] = 'application/json'
      const status = statusOf(error)
      return compressed({ status, headers, body: errorToJsonBytes(error, json) }, coding)
    },
  }
}

async function compressed(
  { status, headers, body }: Written & { body: Uint8Array },
  coding: Compression | undefined,
): Promise<Written> {
  const smaller = isWorth(coding, body) ? await coding.compress(body) : undefined
  if (smaller) headers['content-encoding'] = coding?.name
  const sent = smaller ?? body
  headers['content-length'] = sent.byteLength
  return { status, headers, body: sent }
}

function isWorth(coding: Compression | undefined, message: Uint8Array): coding is Compression {
  return coding !== undefined && message.byteLength >= compressFromBytes
}

function enveloped(form: keyof typeof endings, type: string, binary: boolean): UnaryProtocol {
  const endedBy = endings[form]

  function headersOf(call: SetFields, coding: Compression | undefined): OutgoingHttpHeaders {
    const headers = fieldsOf(call.answerHeaders)
    headers['content-type'] = type
    if (coding) headers['grpc-encoding'] = coding.name
    return headers
  }

  return {
    name: protocolOf(type),
    binary,
    timeoutMs: (headers) => timeoutMs('grpc-timeout', headers),
    isPlain: ({ 'grpc-encoding': coding = 'identity' }) => coding === 'identity',
    codingOf: ({ 'grpc-accept-encoding': accepted, 'grpc-encoding': sent }) =>
      accepts(accepted ?? sent),
    ...envelopes,
    async answer(call, message, coding) {
      const smaller = isWorth(coding, message) ? await coding.compress(message) : undefined
      const envelope = encodeEnvelope(smaller ? compressedFlag : 0, smaller ?? message)
      return endedBy(statusTrailers(call), headersOf(call, coding), envelope)
    },
    async failure(call, error, coding) {
      return endedBy(statusTrailers(call, error), headersOf(call, coding))
    },
  }
}

/** Writes an answer to either kind of response. */
export function write(res: Response, { status, headers, body, trailers }: Written): void {
  // Both kinds of response take these.
  ;(res as ServerResponse).writeHead(status, headers)
  if (trailers) res.addTrailers(trailers)
  if (body) res.end(body)
  else res.end()
}

function withTrailers(
  status: Headers | undefined,
  headers: OutgoingHttpHeaders,
  body?: Uint8Array,
): Written {
  const trailers = status ? fieldsOf(status) : { 'grpc-status': grpcStatusOk }
  return { status: 200, headers, body, trailers }
}

function withLastEnvelope(encode: (bytes: Uint8Array) => Uint8Array): typeof withTrailers {
  return function written(status, headers, envelope) {
    const fields = status ?? new Headers({ 'grpc-status': grpcStatusOk })
    const trailers = encodeEnvelope(trailerFlag, trailerSerialize(fields))
    const body = encode(envelope ? Buffer.concat([envelope, trailers]) : trailers)
    return { status: 200, headers, body }
  }
}

const endings = {
  grpc: withTrailers,
  'grpc-web': withLastEnvelope((bytes) => bytes),
  'grpc-web-text': withLastEnvelope(encoded),
}

/** The trailers with the status; undefined for a success without trailers of the handler. */
function statusTrailers({ answerTrailers }: SetFields, error?: ConnectError): Headers | undefined {
  if (!error && isEmpty(answerTrailers)) return undefined
  return setGrpcStatus(new Headers(answerTrailers), error)
}

/** Headers and trailers in one: Connect sends the trailers of unary calls as headers. */
function connectHeaders({ answerHeaders, answerTrailers }: SetFields): Headers | undefined {
  if (isEmpty(answerTrailers)) return answerHeaders
  return trailerMux(answerHeaders ?? new Headers(), answerTrailers)
}

function isEmpty(headers: Headers | undefined): headers is undefined {
  return headers === undefined || headers.keys().next().done === true
}

/** The fields for node:http that may leave. Throws for a value that HTTP/1.1 cannot send. */
function fieldsOf(headers: Headers | undefined): OutgoingHttpHeaders {
  const fields: OutgoingHttpHeaders = {}
  headers?.forEach((value, name) => {
    validateHeaderValue(name, value)
    if (!mayLeave(name)) return
    const before = fields[name]
    // Headers gives several values only of Set-Cookie, which must not be joined.
    fields[name] = before === undefined ? value : [before, value].flat().map(String)
  })
  return fields
}

function accepts(accepted: string | string[] | undefined): Compression | undefined {
  if (accepted === undefined) return undefined
  return compressionNegotiate(compressions, null, String(accepted), '').response ?? undefined
}

const envelopes: MessageBody = {
  headBytes: envelopeHeadBytes,
  // None at all for a message that is compressed or too large.
  limitOf: (head, maxBytes) =>
    head[0] === 0 && head.readUInt32BE(1) <= maxBytes ? envelopeBytes(head) : 0,
  messageOf(body) {
    if (body.byteLength < envelopeHeadBytes || body[0] !== 0) return undefined
    return envelopeBytes(body) === body.byteLength ? body.subarray(envelopeHeadBytes) : undefined
  },
}

function envelopeBytes(head: Buffer): number {
  return envelopeHeadBytes + head.readUInt32BE(1)
}
