import type { Registry } from '@bufbuild/protobuf'
import type { ConnectError, ConnectRouter, ContextValues, Interceptor } from '@connectrpc/connect'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { BindOptions } from './request/bind.ts'
import type { CallOptions } from '../call/context.ts'
import { requestHeaders } from '../call/headers.ts'
import type { UnescapeMode } from './route/unescape.ts'
import type { ReservedSegments } from './route/reserved.ts'
import type { HttpBinding } from './route/rules.ts'
import type { ServiceConfig } from './route/service-config.ts'

/** Callbacks about each request, for logs and metrics. */
export interface RestObserver {
  /** The request matches a binding. */
  route(request: FastifyRequest, binding: HttpBinding): void
  /**
   * The request is answered with an error, of the method or of the plugin. `status` is the HTTP
   * status.
   */
  error(request: FastifyRequest, error: ConnectError, status: number, reason: string): void
  /** The same for an answer that has begun and is broken off, which is all that its client sees. */
  brokenOff?(request: FastifyRequest, error: ConnectError): void
}

/** The options of the REST plugin. A comment ends with the default value, if there is one. */
export interface RestPluginOptions {
  /** Registers the services on a ConnectRouter. Methods without an HTTP rule are not served. */
  routes: (router: ConnectRouter) => unknown
  /** Standard Connect interceptors, the first outermost. */
  interceptors?: Interceptor[]
  /** The context values of a request, for interceptors and handlers. */
  contextValues?: (request: FastifyRequest) => ContextValues
  observer?: RestObserver
  /** The types of message that google.protobuf.Any may hold in JSON. */
  types?: Registry
  /** Rules of a service configuration, added to the rules in the protos or in place of them. */
  serviceConfig?: ServiceConfig
  /** Paths that the host serves itself; a binding at one of them is an error; none. */
  reserved?: ReservedSegments
  /** Maximum bytes of a request body, both as sent and decompressed; 1 MiB. */
  bodyLimit?: number
  /** Maximum bytes of all messages of a streamed request, as sent and decompressed; 1 GiB. */
  uploadLimit?: number
  /** Maximum milliseconds between two parts of a streamed request; 60,000. */
  uploadIdleMs?: number
  /** Milliseconds of silence after which a stream of events has a heartbeat; 15,000. */
  heartbeatMs?: number
  /**
   * Milliseconds for which a stream without a message may still fail with a status of its own, in formats
   * whose headers are sent early; 300.
   */
  earlyMs?: number
  /**
   * The field of replies whose value is the id of an event, and of requests that Last-Event-ID fills;
   * resume_token.
   */
  resumeField?: string
  /** Called before each call of a streaming method; throws the refusal if there are too many. */
  openStream?: (request: FastifyRequest, reply: FastifyReply) => void
  /** Answers of fewer bytes are not compressed; 1024. */
  compressFrom?: number
  /** Maximum milliseconds that a client's timeout header may give a call. */
  maxTimeoutMs?: number
  /** Answers contain default values, and null for unset messages; true. */
  emitDefaults?: boolean
  /** Unknown keys of a JSON body; ignore, so that clients with newer protos are served. */
  unknownFields?: 'ignore' | 'refuse'
  /** Query and form parameters that name no field; refuse. */
  unknownParameters?: BindOptions['unknownParameters']
  /** A field that has another value in the body or the query than in the path; refuse. */
  conflicts?: BindOptions['conflicts']
  /** Whether `labels[key]=value` in queries and forms fills a map; false. */
  mapParameters?: boolean
  /** Maximum values that a query or form may give one list or map; 1000. */
  maxRepeated?: number
  /** Whether paths, queries and forms may have durations in Go's syntax, such as `1m30s`; true. */
  goDurations?: boolean
  /** Whether paths, queries and forms may have enum names in any case; false. */
  caseInsensitiveEnums?: boolean
  /**
   * Whether a request whose Accept excludes JSON is refused with 406; if not, it gets JSON; true.
   */
  strictAccept?: boolean
  /** Which escapes in a variable of several segments are decoded; all-except-slash. */
  unescape?: UnescapeMode
  /** Whether several slashes in a row in a path count as one; false. */
  mergeSlashes?: boolean
  /**
   * Whether `Grpc-Metadata-X` reaches handlers as `X`, too, as grpc-gateway's clients expect;
   * false.
   */
  grpcMetadataAlias?: boolean
}

const mebibyte = 1024 * 1024

/** The options with their defaults; those of request binding are grouped in `bind`. */
export function withDefaults(options: RestPluginOptions) {
  const { types, unknownFields = 'ignore' } = options
  const bind: BindOptions = {
    json: { ignoreUnknownFields: unknownFields === 'ignore', ...(types && { registry: types }) },
    unknownParameters: options.unknownParameters ?? 'refuse',
    conflicts: options.conflicts ?? 'refuse',
    mapParameters: options.mapParameters ?? false,
    maxRepeated: options.maxRepeated ?? 1000,
    goDurations: options.goDurations ?? true,
    caseInsensitiveEnums: options.caseInsensitiveEnums ?? false,
  }
  return {
    ...options,
    interceptors: options.interceptors ?? [],
    bodyLimit: options.bodyLimit ?? mebibyte,
    uploadLimit: options.uploadLimit ?? 1024 * mebibyte,
    uploadIdleMs: options.uploadIdleMs ?? 60_000,
    heartbeatMs: options.heartbeatMs ?? 15_000,
    earlyMs: options.earlyMs ?? 300,
    resumeField: options.resumeField ?? 'resume_token',
    compressFrom: options.compressFrom ?? 1024,
    emitDefaults: options.emitDefaults ?? true,
    strictAccept: options.strictAccept ?? true,
    unescape: options.unescape ?? 'all-except-slash',
    mergeSlashes: options.mergeSlashes ?? false,
    call: callOptions(options),
    bind,
  }
}

function callOptions({ contextValues, grpcMetadataAlias = false }: RestPluginOptions): CallOptions {
  return {
    protocolName: 'rest',
    headersOf: (received) => requestHeaders(received, grpcMetadataAlias),
    contextValues,
  }
}

/** The options of the plugin with their defaults. */
export type RestSettings = ReturnType<typeof withDefaults>
