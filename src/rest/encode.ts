import { toJson } from '@bufbuild/protobuf'
import type { DescMessage, Message } from '@bufbuild/protobuf'

/** Writes a message as Kratos v2 does: protojson with the default values written out. */
export function messageBytes(desc: DescMessage, message: Message): Buffer {
  return jsonBytes(toJson(desc, message, { alwaysEmitImplicit: true }))
}

export function jsonBytes(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}
