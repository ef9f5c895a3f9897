import type { DescMessage, Message, Registry } from '@bufbuild/protobuf'
import { messageFromBinary } from '../../call/message/binary-message.ts'
import { jsonText, messageFromJson, quotedIntegers } from '../../call/message/json-message.ts'

/** Reads the messages of a type. Throws MALFORMED_BODY. */
export interface MessageReader {
  read(bytes: Uint8Array, binary: boolean): Message
  /** Rewrites a message so that Connect's own codecs read every number exactly. */
  readable(bytes: Uint8Array, binary: boolean): Uint8Array
}

/** Makes the reader of a message type. `types` are those that google.protobuf.Any may hold in JSON. */
export function messageReader(desc: DescMessage, types: Registry | undefined): MessageReader {
  // The options of Connect's codecs.
  const options = { ignoreUnknownFields: true, ...(types && { registry: types }) }
  return {
    read: (bytes, binary) =>
      binary ? messageFromBinary(desc, bytes) : messageFromJson(desc, jsonText(bytes), options),
    readable(bytes, binary) {
      if (!binary) return Buffer.from(quotedIntegers(desc, jsonText(bytes), options))
      messageFromBinary(desc, bytes)
      return bytes
    },
  }
}
