import type { Registry } from '@bufbuild/protobuf'
import type { ConnectError, ConnectRouter, ContextValues, Interceptor } from '@connectrpc/connect'
import type { FastifyRequest } from 'fastify'
import type { BindOptions } from './request/bind.ts'
import type { CallOptions } from '../call/context.ts'
import { requestHeaders } from '../call/headers.ts'
import type { UnescapeMode } from './route/unescape.ts'
import type { HttpBinding } from './route/rules.ts'
import type { ServiceConfig } from './route/service-config.ts'

/** Told about each request, for logs and metrics. */
export interface RestObserver {
  /** A request has found its method. */
  route(request: FastifyRequest, binding: HttpBinding): void
  /** A request is answered with an error, whoever raised it. */
  error(request: FastifyRequest, error: ConnectError, status: number, reason: string): void
}

export interface RestPluginOptions {
  /** Registers the services, as for connect-fastify's plugin. Methods without a rule are left out. */
  routes: (router: ConnectRouter) => unknown
  /** Standard Connect interceptors, the first outermost. */
  interceptors?: Interceptor[]
  /** Values for the handler context of a request. */
  contextValues?: (request: FastifyRequest) => ContextValues
  observer?: RestObserver
  /** Messages that google.protobuf.Any may hold in JSON. */
  types?: Registry
  /** Rules of a service configuration, besides or instead of those in the protos. */
  serviceConfig?: ServiceConfig
  /** Most bytes of a request body, as it is sent and as it is when decompressed; 1 MiB. */
  bodyLimit?: number
  /** Answers of fewer bytes are not compressed; 1024. */
  compressFrom?: number
  /** Most milliseconds that a client's timeout header may give a call. */
  maxTimeoutMs?: number
  /** Answers have default values, and null for what is not set; true. */
  emitDefaults?: boolean
  /** Unknown keys of a JSON body; ignored, so that clients that know newer fields are served. */
  unknownFields?: 'ignore' | 'refuse'
  /** Parameters that name no field; refused. */
  unknownParameters?: BindOptions['unknownParameters']
  /** A body or query that differs from the path; refused. */
  conflicts?: BindOptions['conflicts']
  /** `labels[key]=value` in queries and forms fills a map; false. */
  mapParameters?: boolean
  /** Most values that a query or form may give one list or map; 1000. */
  maxRepeated?: number
  /** Durations in Go's syntax in paths, queries and forms; true. */
  goDurations?: boolean
  /** Enum names in any case in paths, queries and forms; false. */
  caseInsensitiveEnums?: boolean
  /** Whether a request that accepts none of the types is refused with 406 or gets JSON; true. */
  strictAccept?: boolean
  /** Which escapes of a variable of several segments are decoded; all except that of the slash. */
  unescape?: UnescapeMode
  /** Several slashes in a row in a path count as one; false. */
  mergeSlashes?: boolean
  /** `Grpc-Metadata-X` reaches handlers as `X` too, as grpc-gateway's clients expect; false. */
  grpcMetadataAlias?: boolean
}

const mebibyte = 1024 * 1024

/** The options with their defaults filled in, and those of binding together. */
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

export type RestSettings = ReturnType<typeof withDefaults>
