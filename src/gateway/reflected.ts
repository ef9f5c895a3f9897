import { setTimeout as sleep } from 'node:timers/promises'
import { fromBinary } from '@bufbuild/protobuf'
import { type FileDescriptorProto, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt'
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect'
import {
  ServerReflection,
  type ServerReflectionResponse,
} from '../gen/grpc/reflection/v1/reflection_pb.ts'
import { missingImports } from './descriptors.ts'

type Question =
  | { case: 'fileContainingSymbol'; value: string }
  | { case: 'fileByFilename'; value: string }

const firstPauseMs = 100
const maxPauseMs = 2000
const maxTryMs = 5000

/**
 * Asks a server by gRPC reflection for the files that declare services, and for all that they import. Goes
 * on asking one that cannot be reached for `withinMs`. Throws an error for people: at once where the
 * server answers that it has no reflection or not the service.
 */
export async function reflectedFiles(
  services: readonly string[],
  transport: Transport,
  withinMs: number,
): Promise<FileDescriptorProto[]> {
  const deadline = performance.now() + withinMs
  let pauseMs = firstPauseMs
  let known: string | undefined
  for (;;) {
    const leftMs = Math.max(1, deadline - performance.now())
    try {
      return await withImports(services, transport, Math.min(leftMs, maxTryMs))
    } catch (cause) {
      const error = ConnectError.from(cause)
      if (isFinal(error)) throw new Error(inWords(error), { cause })
      // That the time is over says less than what was wrong before.
      if (error.code !== Code.DeadlineExceeded) known = error.message
      if (performance.now() + pauseMs >= deadline) {
        const why = known ?? error.message
        throw new Error(`has not answered within ${withinMs / 1000}s: ${why}`, { cause })
      }
    }
    await sleep(pauseMs)
    pauseMs = Math.min(2 * pauseMs, maxPauseMs)
  }
}

/** Whether a further try would get the same answer. */
function isFinal({ code, isWireError, cause }: ConnectError): boolean {
  if (cause instanceof NotThere) return true
  return isWireError && (code === Code.Unimplemented || code === Code.PermissionDenied)
}

function inWords({ code, rawMessage }: ConnectError): string {
  return code === Code.Unimplemented
    ? 'has no gRPC reflection (v1); name a descriptor_file'
    : rawMessage
}

/** The server's answer that it does not have what it was asked for. */
class NotThere extends Error {}

async function withImports(services: readonly string[], transport: Transport, timeoutMs: number) {
  const files = new Map<string, FileDescriptorProto>()
  let questions = services.map((value): Question => ({ case: 'fileContainingSymbol', value }))
  while (questions.length > 0) {
    const asked = questions.length
    const before = files.size
    for (const file of await answers(questions, transport, timeoutMs)) files.set(file.name, file)
    if (files.size === before) throw new NotThere(`has answered ${asked} questions with no file`)
    questions = missingImports([...files.values()]).map((value) => ({
      case: 'fileByFilename',
      value,
    }))
  }
  return [...files.values()]
}

async function answers(questions: readonly Question[], transport: Transport, timeoutMs: number) {
  const files: FileDescriptorProto[] = []
  const { serverReflectionInfo } = createClient(ServerReflection, transport)
  async function* requests() {
    for (const messageRequest of questions) yield { messageRequest }
  }
  for await (const answer of serverReflectionInfo(requests(), { timeoutMs }))
    files.push(...filesOf(answer))
  return files
}

function filesOf({ originalRequest, messageResponse }: ServerReflectionResponse) {
  switch (messageResponse.case) {
    case 'fileDescriptorResponse':
      return messageResponse.value.fileDescriptorProto.map((bytes) =>
        fromBinary(FileDescriptorProtoSchema, bytes),
      )
    case 'errorResponse': {
      const asked = originalRequest?.messageRequest.value
      const name = typeof asked === 'string' ? asked : 'what was asked for'
      throw new NotThere(`has not ${name}: ${messageResponse.value.errorMessage}`)
    }
    default:
      throw new NotThere('has answered reflection with something else than files')
  }
}
