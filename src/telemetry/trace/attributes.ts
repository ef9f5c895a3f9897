// Names of span attributes: those of semantic-conventions 1.44, and Kratos' own where it records more.
// Version 1.45 renames `rpc.response.status_code` to `rpc.status_code`. That is Kratos' name for another
// value, so the older one stays. Sources: opentelemetry.io/docs/specs/semconv, kratos contrib/otel/tracing.

/** HTTP. */
export const http = {
  method: 'http.request.method',
  originalMethod: 'http.request.method_original',
  route: 'http.route',
  status: 'http.response.status_code',
} as const

/** The URL of a request. */
export const url = { path: 'url.path', query: 'url.query', scheme: 'url.scheme' } as const

/** The connection, and both of its ends. */
export const network = {
  clientAddress: 'client.address',
  peerAddress: 'network.peer.address',
  peerPort: 'network.peer.port',
  protocolVersion: 'network.protocol.version',
  serverAddress: 'server.address',
  serverPort: 'server.port',
  userAgent: 'user_agent.original',
} as const

/** The caller, where its credentials tell. */
export const enduser = { id: 'enduser.id' } as const

/** Calls. */
export const rpc = {
  system: 'rpc.system.name',
  /** `package.Service/Method`. */
  method: 'rpc.method',
  status: 'rpc.response.status_code',
} as const

/** Tries of a call to another service. */
export const attempt = {
  /** Counted from 1; not of the conventions. */
  number: 'rpc.attempt',
  /** True on the last try of a call whose caller has got another answer in place of the error. */
  fallback: 'fallback',
} as const

/** `rest`, `connect`, `grpc`, `grpc-web` or `http`, the word of log lines (`protocol`) for the same. */
export const exchangeProtocol = 'exchange.protocol'

/** Kratos' own, beside those of the conventions. */
export const kratos = {
  /** `http` or `grpc`. */
  system: 'rpc.system',
  service: 'rpc.service',
  /** The HTTP status of the code, whatever HTTP itself answered. */
  status: 'rpc.status_code',
  peerService: 'peer.service',
} as const

/** How a call or a step of it failed. */
export const error = {
  type: 'error.type',
  /** The reason of the error body; for 4xx too. */
  reason: 'error.reason',
} as const

/** The event of an exception, and its attributes. */
export const exception = {
  event: 'exception',
  type: 'exception.type',
  message: 'exception.message',
  stack: 'exception.stacktrace',
} as const

/** Statements and connections to databases, beside those of `statementAttributes`. */
export const db = {
  system: 'db.system.name',
  namespace: 'db.namespace',
  text: 'db.query.text',
  summary: 'db.query.summary',
  status: 'db.response.status_code',
  batchSize: 'db.operation.batch.size',
  pool: 'db.client.connection.pool.name',
} as const

/** Exchanges with a cache; not of the conventions. */
export const cache = { system: 'cache.system', operation: 'cache.operation' } as const
