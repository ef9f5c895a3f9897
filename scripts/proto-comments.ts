// The comments of the protos of the settings, which generated code leaves out.
import { spawnSync } from 'node:child_process'
import { fromBinary } from '@bufbuild/protobuf'
import { FileDescriptorSetSchema, type FileDescriptorProto } from '@bufbuild/protobuf/wkt'

import { project, tool } from './tool.ts'

/** Field numbers in descriptor.proto, of which the place of a comment is made. */
const messagesOfFile = 4
const fieldsOfMessage = 2

/** The comment before each message and each field of proto/conf, by its full name, on one line. */
export function confComments(): Map<string, string> {
  const [node, buf] = tool('@bufbuild/buf', 'buf')
  const args = [buf, 'build', '--path', 'proto/conf', '--output', '-#format=binpb']
  const { status, stdout, stderr } = spawnSync(node, args, { cwd: project, maxBuffer: Infinity })
  if (status !== 0) throw new Error(`buf build: ${stderr.toString()}`)
  return new Map(fromBinary(FileDescriptorSetSchema, stdout).file.flatMap(commentsOf))
}

function commentsOf(file: FileDescriptorProto): [name: string, comment: string][] {
  const comments = new Map(
    file.sourceCodeInfo?.location.map(({ path, leadingComments }) => [
      path.join(),
      leadingComments.trim().replaceAll(/\s*\n\s*/g, ' '),
    ]),
  )
  const at = (...path: number[]) => comments.get(path.join()) ?? ''
  return file.messageType.flatMap((message, i) => {
    const name = `${file.package}.${message.name}`
    const fields = message.field.map((field, j): [string, string] => [
      `${name}.${field.name}`,
      at(messagesOfFile, i, fieldsOfMessage, j),
    ])
    return [[name, at(messagesOfFile, i)], ...fields]
  })
}
