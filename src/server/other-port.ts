const rpcPath = /^\/(?:\w+\.)+\w+\/\w+$/

/** A hint for a path that the REST port lacks and the RPC port has; empty if that lacks it, too. */
export function hintOfRest(path: string): string {
  return rpcPath.test(path)
    ? 'Connect, gRPC and gRPC-Web are served on the other port, that of server.grpc.addr (9000 unless set)'
    : ''
}

/** A hint for a path that the RPC port lacks and the REST port has; empty if that lacks it, too. */
export function hintOfRpc(path: string): string {
  return rpcPath.test(path)
    ? ''
    : 'here are paths such as /package.Service/Method, and REST is served on the other port, that of server.http.addr (8000 unless set)'
}
