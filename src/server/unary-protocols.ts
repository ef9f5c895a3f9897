import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { ConnectError } from '@connectrpc/connect'
import { compressionBrotli, compressionGzip } from '@connectrpc/connect-node'
import {
  compressedFlag,
  type Compression,
  compressionNegotiate,
  encodeEnvelope,
  mergeNonProtocolHeaders,
} from '@connectrpc/connect/protocol'
import {
  codeToHttpStatus,
  errorToJsonBytes,
  parseTimeout as connectTimeout,
} from '@connectrpc/connect/protocol-connect'
import { parseTimeout as grpcTimeout, setTrailerStatus } from '@connectrpc/connect/protocol-grpc'
import { trailerFlag, trailerSerialize } from '@connectrpc/connect/protocol-grpc-web'
import type { JsonWriteOptions } from '@bufbuild/protobuf'
import type { UnaryCall } from '../rest/context.ts'
import type { Protocol, Response } from './exchange.ts'

/** One protocol in one encoding of messages, as a content type names it. */
export interface UnaryProtocol {
  readonly name: Protocol
  /** Messages are binary; else they are JSON. */
  readonly binary: boolean
  /** The client's timeout in milliseconds. Undefined for none, null for one that is malformed. */
  timeoutMs(headers: IncomingHttpHeaders): number | undefined | null
  /** Whether the request needs nothing but what is here: no compression. */
  isPlain(headers: IncomingHttpHeaders): boolean
  /** The compression of the answer that the client likes best. */
  codingOf(headers: IncomingHttpHeaders): Compression | undefined
  /** The one message of a whole body; undefined if that is not what it is. */
  messageOf(body: Buffer): Buffer | undefined
  /** Writes the answer to a call that has succeeded. */
  answer(res: Response, call: UnaryCall, message: Uint8Array, coding?: Compression): Promise<void>
  /** Writes the error of a call. */
  fail(res: Response, call: UnaryCall, error: ConnectError, coding?: Compression): Promise<void>
}

const compressions = [compressionGzip, compressionBrotli]
/** Smaller messages are not compressed, as Connect has it by default. */
const compressFromBytes = 1024
export const envelopeHeadBytes = 5

/** The protocols by content type, as their clients spell it. `json` is for the details of errors. */
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
    timeoutMs: ({ 'connect-timeout-ms': text }) => timeoutOf(text, connectTimeout),
    isPlain: ({ 'content-encoding': coding = 'identity' }) => coding === 'identity',
    codingOf: ({ 'accept-encoding': accepted }) => accepts(accepted),
    messageOf: (body) => body,
    answer(res, call, body, coding) {
      const headers = { ...connectHeaders(call), 'content-type': type }
      return writeUnary(res, { status: 200, headers, body }, coding)
    },
    fail(res, call, error, coding) {
      const headers = connectHeaders(call)
      const metadata = new Headers()
      mergeNonProtocolHeaders(metadata, error.metadata)
      copy(metadata, headers)
      headers['content-type'] = 'application/json'
      const status = codeToHttpStatus(error.code)
      return writeUnary(res, { status, headers, body: errorToJsonBytes(error, json) }, coding)
    },
  }
}

interface UnaryAnswer {
  status: number
  headers: OutgoingHttpHeaders
  body: Uint8Array
}

async function writeUnary(
  res: Response,
  { status, headers, body }: UnaryAnswer,
  coding: Compression | undefined,
): Promise<void> {
  const smaller = isWorth(coding, body) ? await coding.compress(body) : undefined
  if (smaller) headers['content-encoding'] = coding?.name
  const sent = smaller ?? body
  headers['content-length'] = sent.byteLength
  writeHead(res, status, headers)
  res.end(sent)
}

function isWorth(coding: Compression | undefined, message: Uint8Array): coding is Compression {
  return coding !== undefined && message.byteLength >= compressFromBytes
}

function enveloped(name: 'grpc' | 'grpc-web', type: string, binary: boolean): UnaryProtocol {
  const end = name === 'grpc' ? endByTrailers : endByEnvelope

  function head(res: Response, call: UnaryCall, coding: Compression | undefined): void {
    const headers: OutgoingHttpHeaders = {}
    copy(call.answerHeaders, headers)
    headers['content-type'] = type
    if (coding) headers['grpc-encoding'] = coding.name
    writeHead(res, 200, headers)
  }

  return {
    name,
    binary,
    timeoutMs: ({ 'grpc-timeout': text }) => timeoutOf(text, grpcTimeout),
    isPlain: ({ 'grpc-encoding': coding = 'identity' }) => coding === 'identity',
    codingOf: ({ 'grpc-accept-encoding': accepted }) => accepts(accepted),
    messageOf: onlyMessage,
    async answer(res, call, message, coding) {
      const smaller = isWorth(coding, message) ? await coding.compress(message) : undefined
      head(res, call, coding)
      end(res, call, encodeEnvelope(smaller ? compressedFlag : 0, smaller ?? message))
    },
    async fail(res, call, error, coding) {
      head(res, call, coding)
      end(res, call, undefined, error)
    },
  }
}

/** Both kinds of response take these. */
function writeHead(res: Response, status: number, headers: OutgoingHttpHeaders): void {
  ;(res as ServerResponse).writeHead(status, headers)
}

function endByTrailers(
  res: Response,
  call: UnaryCall,
  envelope: Uint8Array | undefined,
  error?: ConnectError,
): void {
  const trailers: OutgoingHttpHeaders = { 'grpc-status': '0' }
  copy(error ? statusTrailers(call, error) : call.answerTrailers, trailers)
  res.addTrailers(trailers)
  if (envelope) res.end(envelope)
  else res.end()
}

function endByEnvelope(
  res: Response,
  call: UnaryCall,
  envelope: Uint8Array | undefined,
  error?: ConnectError,
): void {
  const trailers = encodeEnvelope(trailerFlag, trailerSerialize(statusTrailers(call, error)))
  res.end(envelope ? Buffer.concat([envelope, trailers]) : trailers)
}

function statusTrailers(call: UnaryCall, error?: ConnectError): Headers {
  return setTrailerStatus(new Headers(call.answerTrailers), error)
}

/** Connect has the trailers of unary calls among the headers. */
function connectHeaders({ answerHeaders, answerTrailers }: UnaryCall): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {}
  copy(answerHeaders, headers)
  copy(answerTrailers, headers, 'trailer-')
  return headers
}

function copy(from: Headers | undefined, to: OutgoingHttpHeaders, prefix = ''): void {
  from?.forEach((value, name) => {
    const key = prefix + name
    const before = to[key]
    // Headers gives several values only of Set-Cookie, which must not be joined.
    to[key] =
      name === 'set-cookie' && before !== undefined ? [before, value].flat().map(String) : value
  })
}

function accepts(accepted: string | string[] | undefined): Compression | undefined {
  if (accepted === undefined) return undefined
  return compressionNegotiate(compressions, null, String(accepted), '').response ?? undefined
}

function timeoutOf(
  text: string | string[] | undefined,
  parse: typeof grpcTimeout,
): number | undefined | null {
  if (text === undefined) return undefined
  const { timeoutMs, error } = parse(String(text), Number.MAX_SAFE_INTEGER)
  return error ? null : timeoutMs
}

/** Of a body with exactly one envelope, without compression. */
function onlyMessage(body: Buffer): Buffer | undefined {
  if (body.byteLength < envelopeHeadBytes || body[0] !== 0) return undefined
  const message = body.subarray(envelopeHeadBytes)
  return body.readUInt32BE(1) === message.byteLength ? message : undefined
}
