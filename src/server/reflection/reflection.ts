import { toBinary, type MessageInitShape } from '@bufbuild/protobuf'
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt'
import type { DescFile } from '@bufbuild/protobuf'
import { Code, type ServiceImpl } from '@connectrpc/connect'
import type {
  ServerReflection,
  ServerReflectionRequest,
  ServerReflectionResponseSchema,
} from '../../gen/grpc/reflection/v1/reflection_pb.ts'
import type { Descriptors } from './descriptors.ts'

type Request = Omit<ServerReflectionRequest, '$typeName' | '$unknown'>
type Response = MessageInitShape<typeof ServerReflectionResponseSchema>
type Answer = NonNullable<Response['messageResponse']>

/**
 * Serves grpc.reflection.v1, and v1alpha, whose messages have the same shape, so that grpcurl and
 * `buf curl` need no proto files. Within a stream each file is sent once, as grpc-go does.
 */
export function reflectionService(known: Descriptors): ServiceImpl<typeof ServerReflection> {
  return {
    async *serverReflectionInfo(requests) {
      const sent = new Set<DescFile>()
      for await (const request of requests) yield respond(known, sent, request)
    },
  }
}

function respond(known: Descriptors, sent: Set<DescFile>, request: Request): Response {
  return {
    validHost: request.host,
    originalRequest: { ...request },
    messageResponse: answer(known, sent, request.messageRequest),
  }
}

function answer(
  known: Descriptors,
  sent: Set<DescFile>,
  request: Request['messageRequest'],
): Answer {
  switch (request.case) {
    case 'listServices':
      return {
        case: 'listServicesResponse',
        value: { service: known.services.map(({ typeName }) => ({ name: typeName })) },
      }
    case 'fileByFilename':
      return files(known, sent, known.file(request.value), request.value)
    case 'fileContainingSymbol':
      return files(known, sent, known.fileOf(request.value), request.value)
    case 'fileContainingExtension': {
      const { containingType, extensionNumber } = request.value
      const found = known.extensionsOf(containingType).find((e) => e.number === extensionNumber)
      return files(known, sent, found?.file, `${containingType} ${extensionNumber}`)
    }
    case 'allExtensionNumbersOfType':
      return extensionNumbers(known, request.value)
    default:
      return failure(Code.InvalidArgument, 'the request asks for nothing')
  }
}

function files(
  known: Descriptors,
  sent: Set<DescFile>,
  file: DescFile | undefined,
  name: string,
): Answer {
  if (file === undefined) return failure(Code.NotFound, `${name} is not known`)
  const fresh = known.withImports(file).filter((each) => each === file || !sent.has(each))
  fresh.forEach((each) => sent.add(each))
  const fileDescriptorProto = fresh.map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto))
  return { case: 'fileDescriptorResponse', value: { fileDescriptorProto } }
}

function extensionNumbers(known: Descriptors, message: string): Answer {
  if (!known.knows(message)) return failure(Code.NotFound, `${message} is not known`)
  const extensionNumber = known.extensionsOf(message).map(({ number }) => number)
  return {
    case: 'allExtensionNumbersResponse',
    value: { baseTypeName: message, extensionNumber },
  }
}

function failure(errorCode: Code, errorMessage: string): Answer {
  return { case: 'errorResponse', value: { errorCode, errorMessage } }
}
