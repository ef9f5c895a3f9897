const rpcPath = /^\/(?:\w+\.)+\w+\/\w+$/

/** Says of a path that the REST port does not have that it is one of the other port. Empty if not. */
export function hintOfRest(path: string): string {
  return rpcPath.test(path)
    ? 'Connect, gRPC and gRPC-Web are served on the other port, that of server.grpc.addr (9000 unless set)'
    : ''
}

/** The same of the RPC port. */
export function hintOfRpc(path: string): string {
  return rpcPath.test(path)
    ? ''
    : 'here are paths such as /package.Service/Method, and REST is served on the other port, that of server.http.addr (8000 unless set)'
}
