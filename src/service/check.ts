import type { DescMessage, MessageShape } from '@bufbuild/protobuf'
import type { FieldViolation } from '../biz/error.ts'

/**
 * Gives the rules of the proto that a message breaks. The rules of a unary call's message are checked
 * before its handler; a part of a stream may break one without an end of the stream.
 */
export type CheckMessage = <Desc extends DescMessage>(
  desc: Desc,
  message: MessageShape<Desc>,
) => readonly FieldViolation[]
