import type { Code, ConnectError } from '@connectrpc/connect'
import type { Try } from '../client/observer.ts'
import { ErrorInfoSchema } from '../gen/google/rpc/error_details_pb.ts'
import type { Exchange } from '../server/exchange/exchange.ts'
import type { Protocol } from '../server/exchange/protocol.ts'
import { connectCodeName, grpcCodeName, upperCodeName } from '../text/code-name.ts'

// What spans and metrics both say of a call and its outcome, so that they cannot differ. The values are
// those of opentelemetry.io/docs/specs/semconv/rpc (connect-rpc and grpc).

/** The conventions' value of an attribute for a method that is not known. */
export const other = '_OTHER'

/**
 * The `rpc.system.name`. The conventions have one value for gRPC and gRPC-Web; `exchange.protocol` of
 * spans and `kind` of metrics tell them apart. Undefined for REST, and for HTTP that is no call.
 */
export function rpcSystem(protocol: Protocol): 'connectrpc' | 'grpc' | undefined {
  if (protocol === 'connect') return 'connectrpc'
  return protocol === 'grpc' || protocol === 'grpc-web' ? 'grpc' : undefined
}

/** The `rpc.method`: `package.Service/Method`, or `_OTHER` where no such method is served. */
export function rpcMethod(operation: string): string {
  return operation === '' ? other : operation.slice(1)
}

/**
 * The `rpc.response.status_code`: over gRPC and gRPC-Web the name of the status as gRPC spells it, `OK`
 * included; over Connect the error code, and undefined for success, which has none. Undefined as well
 * where HTTP refused the request and no call had a status.
 */
export function rpcStatus({
  protocol,
  failure,
  httpStatus,
}: Pick<Exchange, 'protocol' | 'failure' | 'httpStatus'>): string | undefined {
  const system = rpcSystem(protocol)
  if (system === undefined) return undefined
  if (failure === undefined) return system === 'grpc' && httpStatus === 200 ? 'OK' : undefined
  if (failure.code === undefined) return undefined
  return system === 'grpc' ? grpcCodeName(failure.code) : connectCodeName(failure.code)
}

/**
 * The `error.type` of an exchange, undefined where the service is not at fault: by the conventions 4xx
 * are the client's, and so are the codes of RPC that become one. It is the reason, which says more than
 * the status beside it, or the HTTP status of an answer without a reason.
 */
export function serverError({
  failure,
  httpStatus,
}: Pick<Exchange, 'failure' | 'httpStatus'>): string | undefined {
  if (failure) return failure.status >= 500 ? failure.reason : undefined
  return httpStatus >= 500 ? String(httpStatus) : undefined
}

/** The `rpc.system.name` of a call to another service; undefined for HTTP and within the process. */
export function calledSystem(protocol: Try['protocol']): 'connectrpc' | 'grpc' | undefined {
  return protocol === 'grpc' || protocol === 'connect' ? rpcSystem(protocol) : undefined
}

/** The `rpc.response.status_code` of a try of such a call, spelled as for an exchange. */
export function calledStatus(protocol: Try['protocol'], code?: Code): string | undefined {
  if (protocol === 'grpc') return code === undefined ? 'OK' : grpcCodeName(code)
  return code === undefined ? undefined : connectCodeName(code)
}

/** Kratos' word for the transport of a call to another service. */
export function kratosKind(protocol: Try['protocol']): string {
  return protocol === 'kratos2' || protocol === 'kratos3' ? 'http' : protocol
}

/** The reason of the error of a call: as its ErrorInfo has it, else the name of its code. */
export function reasonOf(error: ConnectError): string {
  const [info] = error.findDetails(ErrorInfoSchema)
  return info?.reason || upperCodeName(error.code)
}
