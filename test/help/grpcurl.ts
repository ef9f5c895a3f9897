// Stands in for grpcurl where it is not installed: `-plaintext -d JSON host:port service/method`. It makes the
// call by gRPC and prints the outcome as grpcurl 1.9 does.
import {
  createRegistry,
  type DescMethodUnary,
  fromJsonString,
  toJson,
  type JsonObject,
} from '@bufbuild/protobuf'
import { anyPack, AnySchema } from '@bufbuild/protobuf/wkt'
import { Code, ConnectError } from '@connectrpc/connect'
import { createGrpcTransport } from '@connectrpc/connect-node'

import { User } from '../../src/gen/api/user/v1/user_pb.ts'
import { ErrorInfoSchema, type ErrorInfo } from '../../src/gen/google/rpc/error_details_pb.ts'

const [body = '', address = '', path = ''] = process.argv.slice(-3)
const method = User.methods
  .filter((each): each is DescMethodUnary => each.methodKind === 'unary')
  .find(({ name }) => `${User.typeName}/${name}` === path)
if (method === undefined) throw new Error(`there is no method ${path}`)

try {
  const transport = createGrpcTransport({ baseUrl: `http://${address}` })
  const input = fromJsonString(method.input, body)
  const { message } = await transport.unary(method, undefined, undefined, undefined, input)
  console.log(JSON.stringify(toJson(method.output, message), null, 2))
} catch (err) {
  const error = ConnectError.from(err)
  const details = error.findDetails(ErrorInfoSchema).map(detail)
  console.error(`ERROR:\n  Code: ${Code[error.code]}\n  Message: ${error.rawMessage}`)
  console.error(['  Details:', ...details].join('\n'))
  process.exitCode = 64 + error.code
}

function detail(info: ErrorInfo, index: number): string {
  const registry = createRegistry(ErrorInfoSchema)
  const json = toJson(AnySchema, anyPack(ErrorInfoSchema, info), { registry }) as JsonObject
  const inOrder = Object.fromEntries(Object.entries(json).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  return `  ${index + 1})\t${JSON.stringify(inOrder, null, 2).replaceAll('\n', '\n    \t')}`
}
