import { type DescMessage, fromBinary, type Message } from '@bufbuild/protobuf'
import { malformedBody } from './json-message.ts'

/** Reads a message in protobuf's binary form. Throws MALFORMED_BODY. */
export function messageFromBinary(desc: DescMessage, bytes: Uint8Array): Message {
  try {
    return fromBinary(desc, bytes)
  } catch (cause) {
    throw malformedBody(`the body is no ${desc.typeName} in protobuf's binary form`, { cause })
  }
}
