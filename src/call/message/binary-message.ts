import { type DescMessage, fromBinary, type Message } from '@bufbuild/protobuf'
import { malformedBody } from './json-message.ts'
import { haveWireTypes } from './wire-types.ts'

/** Reads a message in protobuf's binary form. Throws MALFORMED_BODY. */
export function messageFromBinary(desc: DescMessage, bytes: Uint8Array): Message {
  const message = `the body is no ${desc.typeName} in protobuf's binary form`
  try {
    if (haveWireTypes(desc, bytes)) return fromBinary(desc, bytes)
  } catch (cause) {
    throw malformedBody(message, { cause })
  }
  throw malformedBody(message)
}
